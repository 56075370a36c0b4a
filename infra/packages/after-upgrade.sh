# Nothing is started that did not run. What runs writes what it holds, to the store or to its spool, and its successor goes on.
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart @UNITS@ ||
        echo 'gpuledger: a service that ran did not come back: systemctl status "gpuledger*"' >&2
fi
