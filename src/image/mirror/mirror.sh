#!/bin/bash
# Answers one registry request (OCI distribution, reading only) on standard input and output, from the node's own
# containerd: its image records say what a name stands for, its content store has the bytes. It answers for images that
# devcluster delivered alone; what else is asked for is 404, and containerd asks the real registry next.
blobs=${DEVCLUSTER_BLOBS:-/var/lib/containerd/io.containerd.content.v1.content/blobs/sha256}
mark='"devcluster.dev/delivered"'

answer() { # STATUS HEADERS...
  printf 'HTTP/1.1 %s\r\nDocker-Distribution-Api-Version: registry/2.0\r\nConnection: close\r\n' "$1"
  shift
  printf '%s\r\n' "$@" ''
}
missing() {
  answer '404 Not Found' 'Content-Type: application/json' 'Content-Length: 2'
  [ "$method" = HEAD ] || printf '{}'
  exit
}
send() { # DIGEST MEDIA-TYPE
  [[ $1 =~ ^sha256:[0-9a-f]{64}$ ]] || missing
  local file=$blobs/${1#sha256:}
  [ -f "$file" ] || missing
  answer '200 OK' "Content-Type: $2" "Content-Length: $(stat -c %s "$file")" "Docker-Content-Digest: $1"
  [ "$method" = HEAD ] || cat "$file"
  exit
}

read -r -t 10 method target _ || exit
while read -r -t 10 header && [ "${header%$'\r'}" ]; do :; done
[[ $method == GET || $method == HEAD ]] || { answer '405 Method Not Allowed' 'Content-Length: 0'; exit; }
target=${target//%3A/:}
path=${target%%\?*}
case $path in
  /v2 | /v2/) answer '200 OK' 'Content-Length: 0' ;;
  /v2/*/manifests/*)
    name=${path#/v2/} name=${name%/manifests/*} digest=${path##*/manifests/}
    [[ $target =~ [?\&]ns=([A-Za-z0-9.:_-]+) ]] || missing
    registry=${BASH_REMATCH[1]}
    if [[ $digest != sha256:* ]]; then
      [[ $name:$digest =~ ^[A-Za-z0-9._/:-]+$ ]] || missing
      row=$(ctr -n k8s.io images ls "name==\"$registry/$name:$digest\"" | sed -n 2p)
      digest=$(awk '{print $3}' <<<"$row")
    fi
    [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] && grep -qF "$mark" "$blobs/${digest#sha256:}" 2>/dev/null || missing
    send "$digest" application/vnd.oci.image.manifest.v1+json
    ;;
  /v2/*/blobs/*) send "${path##*/blobs/}" application/octet-stream ;;
  *) missing ;;
esac
