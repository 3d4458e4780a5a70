#!/bin/sh
# A deploy hook for certbot: certbot renew --deploy-hook /etc/letsencrypt/deploy-to-nginx.sh
# certbot sets RENEWED_LINEAGE. nginx names the files under /etc/nginx/tls/<name>/current:
#   ssl_certificate     /etc/nginx/tls/www.example.gov.cn/current/fullchain.pem;
#   ssl_certificate_key /etc/nginx/tls/www.example.gov.cn/current/privkey.pem;
# All files change at once; when nginx -t or the reload fails, everything is as before.
set -eu
exec miyun ssl deploy nginx \
    --folder "${NGINX_TLS:-/etc/nginx/tls}/$(basename "$RENEWED_LINEAGE")" \
    --certificate "$RENEWED_LINEAGE/fullchain.pem" \
    --key "$RENEWED_LINEAGE/privkey.pem"
