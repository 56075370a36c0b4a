# A job's node whose hook is gone is drained by Slurm.
if grep -Eiqs '^[[:space:]]*(Prolog|Epilog)(Slurmctld)?[[:space:]]*=[[:space:]]*/usr/libexec/gpuledger/' /etc/slurm/slurm.conf; then
    echo 'gpuledger: /etc/slurm/slurm.conf names its hook, and Slurm drains a node whose hook is gone: take the lines out, then scontrol reconfigure' >&2
fi
if [ -d /run/systemd/system ]; then
    # Of a unit that somebody removed it knows nothing, and the rest is to go all the same.
    systemctl --no-reload disable --now @UNITS@ ||
        echo 'gpuledger: not every service could be stopped: systemctl list-units "gpuledger*"' >&2
else
    # Links that would start what is gone, once systemd runs here.
    for unit in @UNITS@; do rm -f /etc/systemd/system/*.wants/"$unit"; done
fi
