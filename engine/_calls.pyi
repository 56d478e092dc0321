from engine.event import Event

class Calls:
    def new(
        self,
        client_order_id: int,
        side: int,
        price_ticks: int,
        quantity: int,
        time_in_force: int = 0,
        options: int = 0,
        *,
        instrument: int = 0,
        topic: int = 0,
        account: int = 0,
        firm: int = 0,
        display_quantity: int = 0,
        minimum_quantity: int = 0,
        auction: int = 0,
    ) -> tuple[Event, ...]: ...
    def cancel(
        self, locate: int, client_order_id: int, *, instrument: int = 0, topic: int = 0
    ) -> tuple[Event, ...]: ...
    def reduce(
        self,
        locate: int,
        client_order_id: int,
        quantity: int,
        *,
        instrument: int = 0,
        topic: int = 0,
    ) -> tuple[Event, ...]: ...
    def replace(
        self,
        locate: int,
        original_client_order_id: int,
        client_order_id: int,
        price_ticks: int,
        quantity: int,
        time_in_force: int = 0,
        *,
        instrument: int = 0,
        topic: int = 0,
        account: int = 0,
        firm: int = 0,
        options: int | None = None,
        display_quantity: int | None = None,
        minimum_quantity: int | None = None,
        auction: int | None = None,
    ) -> tuple[Event, ...]: ...
    def _apply(self, lines: bytes, /) -> bytearray: ...
    def _attach(self, handle: object, address: int, /) -> None: ...
    def _detach(self) -> None: ...
