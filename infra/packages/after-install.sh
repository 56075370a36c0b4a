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
    [ -e /var/lib/gpuledger ] || [ -L /var/lib/gpuledger ] ||
        install -d -m 0751 -o gpuledger -g gpuledger /var/lib/gpuledger
    # By the user whose directory it lies in.
    [ -e /var/lib/gpuledger/profiling-pause ] ||
        setpriv --reuid gpuledger --regid gpuledger --clear-groups mkdir -m 0755 /var/lib/gpuledger/profiling-pause ||
        echo 'gpuledger: /var/lib/gpuledger/profiling-pause was not made: systemd-tmpfiles --create gpuledger.conf' >&2
fi
