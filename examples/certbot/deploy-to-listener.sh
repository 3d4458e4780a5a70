#!/bin/sh
# A deploy hook for certbot: certbot renew --deploy-hook /etc/letsencrypt/deploy-to-listener.sh
# certbot sets RENEWED_LINEAGE, MIYUN_HOME names the platform's folder. New connections to the platform's own address get
# the certificate within seconds; when a handshake does not show it, everything is as before.
set -eu
exec miyun ssl deploy listener \
    --certificate "$RENEWED_LINEAGE/fullchain.pem" \
    --key "$RENEWED_LINEAGE/privkey.pem"
