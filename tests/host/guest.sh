#!/usr/bin/env bash
# In the guest, as soon as it has started: the parts that the kernel command line names, then off. The last
# lines are for whoever started it: what came of it, and what the next start's command line is to be.
export TERM=dumb HOME=/root PATH=/opt/ringbus/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /opt/ringbus || exit 1
check() { python -m pytest -p no:cacheprovider --verbose -s "$@"; }
parts=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^ringbus\.parts=//p' | tr ',' ' ')
echo "ringbus-host: $(uname -srv), Debian $(cat /etc/debian_version), $(nproc --all) CPUs, up $(cut -d. -f1 /proc/uptime) s"
echo "ringbus-host: $(cat /proc/cmdline)"
status=0
for part in $parts; do
  echo "ringbus-host: === $part"
  case $part in
    partition) make test-partition && check tests/host/partition.py ;;
    memory) check tests/ringbus/test_backing.py tests/tools/test_memory.py tests/host/memory.py ;;
    *) check "tests/host/$part.py" ;;
  esac || status=1
  echo "ringbus-host: === $part has ended, up $(cut -d. -f1 /proc/uptime) s"
done
line=$(sed -n 's/^[[:space:]]*linux[[:space:]]*[^[:space:]]*[[:space:]]*//p' /boot/grub/grub.cfg 2>/dev/null | head -n 1)
echo "ringbus-host: next $line"
echo "ringbus-host: status $status"
sync
systemctl poweroff
