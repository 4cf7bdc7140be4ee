# Not every server takes the place of a socket that another one has left behind.
socket=${2#unix:}
rm -f "$socket"
# Without the hook, uwsgi would drop its requests when it is told to end.
exec "$release/venv/bin/"uwsgi --http-socket "$socket" --chmod-socket=666 --master --need-app \
    --die-on-term --hook-master-start "unix_signal:15 gracefully_kill_them_all" --disable-logging \
    --processes "$ESPALIER_WEB_WORKERS" --threads "$ESPALIER_WEB_THREADS" \
    --harakiri "$ESPALIER_WEB_TIMEOUT" --buffer-size 32768 --module %{application}
