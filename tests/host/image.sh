#!/usr/bin/env bash
# Makes the disk of a Debian guest: a bare host with this checkout built in it, where guest.sh runs as soon
# as it has started. The tree that the disk is made of stays beside it, so a second time takes a minute.
# usage: image.sh SUITE DIRECTORY; as root. Makes DIRECTORY/disk.img, vmlinuz and initrd.img.
set -euo pipefail
suite=$1 directory=$2
mirror=${MIRROR:-http://deb.debian.org/debian}
checkout=$(cd "$(dirname "$0")/../.." && pwd)
root=$directory/root
project=$root/opt/ringbus

# What a host has that the guide is written for; the last line is what step 6 of it switches off.
packages=(
  systemd systemd-sysv udev dbus kmod procps iproute2 ifupdown isc-dhcp-client sudo ca-certificates
  linux-image-amd64 initramfs-tools grub-pc-bin grub2-common
  python3 python3-dev python3-venv gcc libc6-dev make git chrony ethtool
  irqbalance cron man-db unattended-upgrades
)

# inside COMMAND...: in the tree, with mounts that end with it.
inside() {
  unshare --mount --fork bash -euc '
    root=$1; shift
    mount --make-rprivate /
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    exec env DEBIAN_FRONTEND=noninteractive HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" "$@"' \
    inside "$root" "$@"
}

settle() {
  echo ringbus-host >"$root/etc/hostname"
  echo "127.0.0.1 localhost ringbus-host" >"$root/etc/hosts"
  echo "/dev/vda / ext4 defaults 0 1" >"$root/etc/fstab"
  printf 'auto eth0\niface eth0 inet dhcp\n' >"$root/etc/network/interfaces"
  printf 'GRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX="console=ttyS0 net.ifnames=0 quiet systemd.show_status=0 no_timer_check panic=-1"\nGRUB_CMDLINE_LINUX_DEFAULT=\n' \
    >"$root/etc/default/grub"
  mkdir -p "$root/boot/grub"
  inside useradd --create-home --shell /bin/bash trader
  cat >"$root/etc/systemd/system/ringbus-host.service" <<'UNIT'
[Unit]
Description=What is tried on this host
After=multi-user.target

[Service]
ExecStart=/opt/ringbus/tests/host/guest.sh
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0

[Install]
WantedBy=multi-user.target
UNIT
  inside systemctl enable ringbus-host.service
  # The console is the report's.
  inside systemctl mask serial-getty@ttyS0.service
  # It has no network: what it would fetch is there.
  rm -rf "$root"/var/cache/apt/archives/*.deb
}

# The files as they are now, committed or not; what was built of them stays.
copy_project() {
  mkdir -p "$project"
  find "$project" -mindepth 1 -maxdepth 1 ! -name .venv ! -name build -exec rm -rf {} +
  (cd "$checkout" && git ls-files -z --cached --others --exclude-standard --deduplicate |
    while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
    tar --create --null --files-from=- --owner=0 --group=0) | tar --extract --directory "$project"
}

mkdir -p "$directory"
if [ ! -e "$root/settled" ]; then
  echo "unpacking Debian $suite"
  rm -rf "$root"
  debootstrap --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" "$suite" "$root" "$mirror" \
    >"$directory/debootstrap.log" || { tail -n 20 "$directory/debootstrap.log"; exit 1; }
  settle >"$directory/settle.log" 2>&1 || { tail -n 20 "$directory/settle.log"; exit 1; }
  touch "$root/settled"
fi
echo "building in it"
# As this machine reaches PyPI: names, and who may vouch for it.
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
if [ -e /etc/pip.conf ]; then cp /etc/pip.conf "$root/etc/pip.conf"; fi
copy_project
inside make -C /opt/ringbus build >"$directory/build.log" 2>&1 || { tail -n 20 "$directory/build.log"; exit 1; }
# An emulated CPU takes half a minute for it.
inside /opt/ringbus/.venv/bin/python -m compileall -q /opt/ringbus -x '/(\.venv|build)/'
echo "making its disk"
cp "$root/vmlinuz" "$root/initrd.img" "$directory/"
rm -f "$directory/disk.img"
mke2fs -q -t ext4 -F -d "$root" "$directory/disk.img" 4G
