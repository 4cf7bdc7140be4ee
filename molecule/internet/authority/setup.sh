#!/bin/bash
# Makes this machine a certificate authority (Debian's pebble) with a DNS of its own; $1 is its address.
set -euo pipefail
cd "$(dirname "$0")"
rm -rf orders questions mode zones  # of a run before
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends pebble dnsmasq-base bind9 bind9-dnsutils >/dev/null
systemctl disable -q --now named
# What the machines trust: the authority of the authority's own HTTPS, and nothing else.
if [ ! -e root.pem ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=Lab authority" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" -keyout root.key -out root.pem 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=acme.authority.net" -keyout acme.key -out acme.csr 2>/dev/null
    printf 'subjectAltName=DNS:acme.authority.net,DNS:acme-v02.api.letsencrypt.org,DNS:acme-staging-v02.api.letsencrypt.org,DNS:localhost,IP:127.0.0.1\n' >acme.ext
    openssl x509 -req -in acme.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -extfile acme.ext -out acme.pem 2>/dev/null
fi
# A zone that takes the answers of challenges from whoever has its key, and nothing else from anybody.
key=$(openssl rand -base64 64 | tr -d '\n')
cat >dns_credentials <<END
dns_rfc2136_server = $1
dns_rfc2136_port = 5300
dns_rfc2136_name = web
dns_rfc2136_secret = $key
dns_rfc2136_algorithm = HMAC-SHA512
END
cat >named.conf <<END
options { directory "$PWD/zones"; listen-on port 5300 { any; }; listen-on-v6 { none; }; recursion no; pid-file none; dnssec-validation no; };
controls { };
key "web" { algorithm hmac-sha512; secret "$key"; };
zone "grove.net" { type primary; file "grove.net"; update-policy { grant web name _acme-challenge.grove.net TXT; }; };
END
mkdir zones
printf '$TTL 5\n@ SOA ns admin 1 60 60 600 5\n@ NS ns\nns A %s\n' "$1" >zones/grove.net
unit() {  # name, then what to run
    printf '[Service]\nWorkingDirectory=%s\nExecStart=%s\nRestart=on-failure\n%s\n' "$PWD" "$2" "${3:-}" >"/etc/systemd/system/$1.service"
}
upstream=$(awk '/^nameserver/ && $2 != "'"$1"'" {print $2}' /etc/resolv.conf | tail -1)
unit challtestsrv "/usr/bin/pebble-challtestsrv -defaultIPv4= -defaultIPv6= -dns01 127.0.0.1:8053 -http01= -https01= -tlsalpn01= -doh= -management 127.0.0.1:8055"
# Names of the lab from the challenge test server, all others from where this machine asks: the machines install packages.
unit dns "/usr/sbin/dnsmasq --keep-in-foreground --no-resolv --no-hosts --server=$upstream --server=/orchard.net/127.0.0.1#8053 --server=/authority.net/127.0.0.1#8053 --server=/letsencrypt.org/127.0.0.1#8053 --server=/grove.net/127.0.0.1#5300 --cache-size=0"
unit zone "/usr/sbin/named -f -c $PWD/named.conf"
unit pebble "/usr/bin/pebble -config pebble.json -dnsserver 127.0.0.1:53" \
    $'Environment=PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 PEBBLE_AUTHZREUSE=0'
unit front "/usr/bin/python3 -u front.py"
systemctl daemon-reload
systemctl restart challtestsrv zone dns pebble front
