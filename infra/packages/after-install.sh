# The user comes first: tmpfiles makes the journal its own.
if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers gpuledger.conf
else
    getent group gpuledger >/dev/null || groupadd --system gpuledger
    getent passwd gpuledger >/dev/null ||
        useradd --system --gid gpuledger --no-create-home --home-dir /var/lib/gpuledger --shell /usr/sbin/nologin \
            --comment 'gpuledger collector' gpuledger
fi
# Where an image is made, /proc may be missing, without which tmpfiles does nothing. What is there stays as it is: in a directory of
# the service's user a link might stand, which tmpfiles refuses and install would follow.
if ! systemd-tmpfiles --create gpuledger.conf 2>/dev/null; then
    [ -e /run/gpuledger ] || install -d -m 0755 /run/gpuledger
    [ -e /run/gpuledger/jobs ] || install -d -m 3770 -o gpuledger -g gpuledger /run/gpuledger/jobs
    if ! [ -e /var/lib/gpuledger ] && ! [ -L /var/lib/gpuledger ]; then
        install -d -m 0751 -o gpuledger -g gpuledger /var/lib/gpuledger
        install -d -m 0755 -o gpuledger -g gpuledger /var/lib/gpuledger/profiling-pause
    fi
fi
