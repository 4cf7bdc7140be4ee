exec "$release/venv/bin/gunicorn" --config %{config} %{worker}"$@" %{application}
