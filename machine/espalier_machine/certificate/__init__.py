"""The command `certificate`: gets, renews and puts into place the certificate that nginx serves.

`cli` reads the command line, `renew` decides what is next; `preflight` looks at DNS and port 80
before anybody is asked, `certbot` runs the client, `serve` hands the certificate to nginx, and
`state` keeps what the next try has to know.
"""
