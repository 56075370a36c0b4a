if [ -d /run/systemd/system ]; then
    systemctl --no-reload disable --now @UNITS@
else
    # Links that would start what is gone, once systemd runs here.
    for unit in @UNITS@; do rm -f /etc/systemd/system/*.wants/"$unit"; done
fi
