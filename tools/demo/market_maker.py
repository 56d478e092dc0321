"""A market maker against the demo exchange: `python -m tools.demo.market_maker TCP_PORT`.

It offers and bids one tick around a price that moves with what trades. The client library gets a
lost connection back by itself; a market maker that was ended begins with a clean slate.
"""

import asyncio
import sys

from ports.ouch import AccountQueryResponse, MassCancelResponse, OrderExecuted, Tag, option
from ports.ouch_client import OuchClient

SYMBOL, TICK, SIZE = "600761", 100, 100
POST_ONLY = (option(Tag.POST_ONLY, "P"),)


async def make_market(port: int, fair: int = 217_000) -> None:
    """Quote until the exchange ends the session. Prices are in 1/10,000."""
    open_shares: dict[int, int] = {}
    async with OuchClient("127.0.0.1", port, "CLI000", "DEMO000000", next_sequence=0) as client:

        async def quote(side: str) -> None:
            price = fair + (TICK if side == "S" else -TICK)
            ref = await client.enter(
                symbol=SYMBOL, side=side, quantity=SIZE, price=price, appendage=POST_ONLY
            )
            open_shares[ref] = SIZE

        await client.account_query()  # which number is next? another program may have used some
        async for _, message in client.events():
            if isinstance(message, AccountQueryResponse):
                await client.mass_cancel()  # whatever an earlier run has left
            elif isinstance(message, MassCancelResponse):
                await quote("B")
                await quote("S")
            elif isinstance(message, OrderExecuted) and message.user_ref in open_shares:
                open_shares[message.user_ref] -= message.quantity
                print(f"{message.quantity} at {message.price / 10_000:.2f}", flush=True)
                if open_shares[message.user_ref] == 0:
                    sold = message.price > fair
                    fair = message.price
                    await quote("S" if sold else "B")


if __name__ == "__main__":
    asyncio.run(make_market(int(sys.argv[1])))
