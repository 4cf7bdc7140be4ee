# Not every server takes the place of a socket that another one has left behind.
socket=${2#unix:}
rm -f "$socket"
exec "$release/venv/bin/"uvicorn --uds "$socket" --workers "$ESPALIER_WEB_WORKERS" \
    --no-access-log --proxy-headers --forwarded-allow-ips '*' \
    --timeout-graceful-shutdown "$ESPALIER_WEB_TIMEOUT" %{application}
