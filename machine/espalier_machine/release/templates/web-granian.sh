# Not every server takes the place of a socket that another one has left behind.
socket=${2#unix:}
rm -f "$socket"
exec "$release/venv/bin/"granian --interface %{interface} --uds "$socket" \
    --workers "$ESPALIER_WEB_WORKERS" --uds-permissions 666 \
    --workers-kill-timeout "$ESPALIER_WEB_TIMEOUT" %{threads}%{application}
