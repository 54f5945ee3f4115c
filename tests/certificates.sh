#!/bin/sh
# tests/certificates.sh DIR - makes the certificates of the tests and the demo, with P-256 keys but for one.
#
# ca            the test authority                      other-ca   another one nobody trusts
# server        localhost, mail.example.org, 127.0.0.1, ::1, signed by ca
# wildcard      *.example.org and the bad pattern a.*.example.net, signed by ca
# client        for client authentication, signed by ca
# expired       like server, but ended in 2021          other      like server, signed by other-ca
# selfsigned    like server, signed by itself
# rsa           like server, with an RSA key; rsa3072, rsa4096 with larger ones
#                                                       second     other.example.net, like server else
# copied-anchor a forgery: like server, with ca's name, key identifier and signature, but a key of its own
#
# Each NAME has NAME.crt and NAME.key. Running it again changes nothing while this file is the same and the server
# certificate has a day left. It needs only openssl (1.1.1 or later): the dates in the past come from `openssl ca`.
set -eu
umask 077

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 64; }
directory=$1
mkdir -p "$directory"
version=$(cksum <"$0")
if [ "$(cat "$directory/complete" 2>/dev/null)" = "$version" ] &&
	openssl x509 -checkend 86400 -noout -in "$directory/server.crt" >/dev/null; then
	exit 0
fi
work=$(mktemp -d "$directory/making.XXXXXX")
trap 'rm -rf "$work"' EXIT

KEY_ID=00
export KEY_ID
cat >"$work/config" <<EOF
[req]
distinguished_name = dn
prompt = no
[dn]
CN = unused
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, DNS:mail.example.org, IP:127.0.0.1, IP:::1
[second]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:other.example.net
[wildcard]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:*.example.org, DNS:a.*.example.net
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
[copied]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign, cRLSign
subjectKeyIdentifier = \${ENV::KEY_ID}
subjectAltName = DNS:localhost, DNS:mail.example.org
[ca]
default_ca = signing
[signing]
database = $work/index
serial = $work/serial
new_certs_dir = $work
default_md = sha256
policy = any
unique_subject = no
rand_serial = yes
[any]
commonName = supplied
EOF
: >"$work/index"

key() {
	case $1 in
	rsa) openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/$1.key" 2>/dev/null ;;
	rsa*) openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:${1#rsa}" -out "$work/$1.key" 2>/dev/null ;;
	*) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$1.key" 2>/dev/null ;;
	esac
}

# self NAME CN EXTENSIONS
self() {
	key "$1"
	openssl req -x509 -new -config "$work/config" -extensions "$3" -key "$work/$1.key" -sha256 -days 3650 \
		-subj "/CN=$2" -out "$work/$1.crt"
}

# signed NAME CN EXTENSIONS AUTHORITY START END
signed() {
	key "$1"
	openssl req -new -config "$work/config" -key "$work/$1.key" -subj "/CN=$2" -out "$work/$1.csr"
	openssl ca -batch -notext -config "$work/config" -extensions "$3" -cert "$work/$4.crt" \
		-keyfile "$work/$4.key" -startdate "$5" -enddate "$6" -in "$work/$1.csr" -out "$work/$1.crt" \
		2>"$work/log" || { cat "$work/log" >&2; exit 1; }
}

now=200101000000Z
later=20491231235959Z
self ca "postrider test authority" authority
self other-ca "another test authority" authority
self selfsigned mail.example.org server
signed server mail.example.org server ca $now $later
signed wildcard wildcard.example.org wildcard ca $now $later
signed client relay.example.org client ca $now $later
signed expired mail.example.org server ca 200101000000Z 210101000000Z
signed other mail.example.org server other-ca $now $later
signed rsa mail.example.org server ca $now $later
signed rsa3072 mail.example.org server ca $now $later
signed rsa4096 mail.example.org server ca $now $later
signed second other.example.net second ca $now $later

# A forgery is the attacker's certificate with the octets behind its TBSCertificate taken from the anchor.
der() { openssl x509 -in "$work/$1.crt" -outform DER -out "$work/$1.der"; }
tbs_length() { # of a certificate with lengths of two octets: two headers of four octets, what the inner one announces
	set -- $(od -An -tu1 -j6 -N2 "$1")
	echo $(($1 * 256 + $2 + 4))
}
KEY_ID=$(openssl x509 -in "$work/ca.crt" -noout -ext subjectKeyIdentifier | tail -n 1 | tr -d ' :')
export KEY_ID
self copied-anchor "postrider test authority" copied
der ca
der copied-anchor
tbs=$(tbs_length "$work/copied-anchor.der")
tail -c "+$((4 + $(tbs_length "$work/ca.der") + 1))" "$work/ca.der" >"$work/signature"
size=$((tbs + $(wc -c <"$work/signature")))
{
	printf "$(printf '\\060\\202\\%03o\\%03o' $((size / 256)) $((size % 256)))"
	tail -c +5 "$work/copied-anchor.der" | head -c "$tbs"
	cat "$work/signature"
} >"$work/copied-anchor.der.new"
openssl x509 -inform DER -in "$work/copied-anchor.der.new" -out "$work/copied-anchor.crt"

for name in copied-anchor ca other-ca selfsigned server wildcard client expired other rsa rsa3072 rsa4096 second; do
	mv "$work/$name.key" "$work/$name.crt" "$directory/"
done
echo "$version" >"$directory/complete"
