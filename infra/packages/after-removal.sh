if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
# Code that Node compiled, and makes again.
rm -rf /var/cache/gpuledger
# Samples that no store has yet may lie there, and the user owns them: both stay.
rmdir /var/lib/gpuledger/profiling-pause /var/lib/gpuledger 2>/dev/null || :
if [ -d /var/lib/gpuledger ]; then
    echo 'gpuledger: /var/lib/gpuledger and the user gpuledger are left: remove them by hand once nothing in there is wanted' >&2
fi
