#!/bin/sh
# tests/chains.sh DIR - makes certificates for chains that are valid in odd ways, or not valid (test_tls_path.c).
#
# The calls of `certificate` at the end say what there is. Each NAME has NAME.crt and NAME.key; every end certificate is
# for localhost and mail.example.org. Running it again changes nothing while this file is the same and the certificates
# have a day left. It needs only openssl (1.1.1 or later).
set -eu
umask 077

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 64; }
directory=$1
mkdir -p "$directory"
version=$(cksum <"$0")
if [ "$(cat "$directory/complete" 2>/dev/null)" = "$version" ] &&
	openssl x509 -checkend 86400 -noout -in "$directory/leaf.crt" >/dev/null; then
	exit 0
fi
work=$(mktemp -d "$directory/making.XXXXXX")
trap 'rm -rf "$work"' EXIT

cat >"$work/config" <<EOF
[req]
distinguished_name = dn
prompt = no
[dn]
CN = unused
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
commonName = optional
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[depth0]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign
[no-sign]
basicConstraints = critical, CA:TRUE
keyUsage = critical, cRLSign
[authority-for-clients]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
extendedKeyUsage = clientAuth
[constrained]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
nameConstraints = critical, permitted;DNS:example.org, permitted;DNS:localhost, excluded;DNS:secret.example.org
[constrained-otherwise]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
nameConstraints = critical, permitted;email:example.org
[odd-authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
1.2.3.4.5 = critical, DER:0500
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, DNS:mail.example.org
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[plain]
subjectAltName = DNS:localhost, DNS:mail.example.org
[elsewhere]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost, DNS:mail.example.net
[secret]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:a.secret.example.org
[wild]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:*.example.org
[no-names]
basicConstraints = critical, CA:FALSE
[addresses]
basicConstraints = critical, CA:FALSE
subjectAltName = email:me@example.org, IP:192.0.2.1, IP:2001:db8::1
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = DNS:localhost
[no-signature]
basicConstraints = critical, CA:FALSE
keyUsage = critical, keyEncipherment
subjectAltName = DNS:localhost
[odd]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost
1.2.3.4.5 = critical, DER:0500
[odd-not-critical]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost
1.2.3.4.5 = DER:0500
EOF
: >"$work/index"

# certificate NAME CN|SUBJECT EXTENSIONS ISSUER [OPTION...]: issued by ISSUER ("self": by itself). In the environment:
# `key` another one's key to use, `kind` arguments of genpkey for a new one, `from` and `to` its dates.
certificate() {
	name=$1 cn=$2 extensions=$3 issuer=$4
	shift 4
	if [ -n "${key-}" ]; then
		cp "$directory/$key.key" "$directory/$name.key"
	else
		openssl genpkey ${kind:--algorithm EC -pkeyopt ec_paramgen_curve:P-256} -out "$directory/$name.key" 2>/dev/null
	fi
	case $cn in /*) ;; *) cn=/CN=$cn ;; esac
	openssl req -new -config "$work/config" -key "$directory/$name.key" -subj "$cn" -out "$work/csr"
	if [ "$issuer" = self ]; then
		set -- -selfsign -keyfile "$directory/$name.key" "$@"
	else
		set -- -cert "$directory/$issuer.crt" -keyfile "$directory/$issuer.key" "$@"
	fi
	openssl ca -batch -notext -config "$work/config" -extensions "$extensions" -startdate "${from:-200101000000Z}" \
		-enddate "${to:-491231235959Z}" -in "$work/csr" -out "$directory/$name.crt" "$@" 2>"$work/log" ||
		{ cat "$work/log" >&2; exit 1; }
	unset key kind from to
}

rsa() { echo "-algorithm RSA -pkeyopt rsa_keygen_bits:$1"; }
ended=210101000000Z

# Valid: a root, two intermediates, and what is said of the root by others.
certificate root "New Root" authority self
certificate old-root "Old Root" authority self
to=$ended certificate dead-root "Dead Root" authority self
key=root certificate cross "New Root" authority old-root
key=root certificate cross-dead "New Root" authority dead-root
key=root to=$ended certificate cross-ended "New Root" authority old-root
certificate middle Intermediate authority root
certificate middle2 "Intermediate 2" authority middle
key=middle certificate middle-cross Intermediate authority old-root
to=$ended key=middle certificate middle-ended Intermediate authority root
certificate leaf mail.example.org leaf middle
certificate leaf2 mail.example.org leaf middle2
certificate root-leaf mail.example.org leaf root
certificate plain mail.example.org plain middle
certificate stranger "Somebody else" leaf old-root
certificate odd-not-critical mail.example.org odd-not-critical middle
kind=$(rsa 2048) certificate rsa-middle "RSA intermediate" authority root
kind=$(rsa 2048) certificate rsa-leaf mail.example.org leaf rsa-middle
certificate pinned mail.example.org leaf self

# Not valid, each for one reason.
certificate impostor "New Root" authority self
certificate impostor-leaf mail.example.org leaf impostor
certificate impostor-middle Intermediate authority impostor
to=$ended certificate ended mail.example.org leaf middle
from=480101000000Z certificate early mail.example.org leaf middle
certificate client mail.example.org client middle
certificate no-signature mail.example.org no-signature middle
certificate by-leaf mail.example.org leaf leaf
certificate no-sign "No signing" no-sign root
certificate by-no-sign mail.example.org leaf no-sign
certificate depth0 "Depth 0" depth0 root
certificate depth0-leaf mail.example.org leaf depth0
certificate too-deep "Too deep" authority depth0
certificate too-deep-leaf mail.example.org leaf too-deep
to=$ended certificate ended-middle "Ended" authority root
certificate by-ended mail.example.org leaf ended-middle
certificate clients "For clients" authority-for-clients root
certificate by-clients mail.example.org plain clients
certificate odd mail.example.org odd middle
certificate odd-authority "Odd" odd-authority root
certificate by-odd mail.example.org leaf odd-authority
kind=$(rsa 1024) certificate weak mail.example.org leaf middle
kind=$(rsa 1024) certificate weak-middle "Weak" authority root
certificate by-weak mail.example.org leaf weak-middle
certificate sha1 mail.example.org leaf middle -md sha1

# Name constraints, seen by a leaf directly below and by one further down.
certificate constrained "Constrained" constrained root
certificate inside mail.example.org leaf constrained
certificate outside mail.example.org elsewhere constrained
certificate excluded a.secret.example.org secret constrained
certificate wild example.org wild constrained
certificate no-names evil.example.com no-names constrained
certificate below "Below" authority constrained
certificate below-inside mail.example.org leaf below
certificate below-outside mail.example.org elsewhere below
certificate constrained-otherwise "Constrained otherwise" constrained-otherwise root
certificate inside-otherwise mail.example.org leaf constrained-otherwise

# Other kinds of key, for what is compared of a key (test_tls_dane.c).
kind="-algorithm ED25519" certificate ed-leaf mail.example.org leaf middle
kind="-algorithm EC -pkeyopt ec_paramgen_curve:P-384" certificate p384-leaf mail.example.org leaf middle

# Names that all match each other.
for i in 1 2 3 4 5 6 7 8; do
	certificate loop$i Loop authority self
done
certificate loop-leaf mail.example.org leaf loop8

# Subjects.
sixty=123456789012345678901234567890123456789012345678901234567890
certificate addresses 'mail.example.org/C=DE/O=A \"Company\"/title=x/OU=One/OU=Two' addresses root -preserveDN
certificate nobody '/O=Nobody' no-names root -preserveDN
certificate long "mail.example.org/OU=$sixty/OU=$sixty/OU=$sixty/OU=$sixty" no-names root -preserveDN

# Public keys as openssl writes them, to be compared with what is read out of the certificates.
for name in leaf leaf2 middle root rsa-leaf ed-leaf p384-leaf weak odd; do
	openssl x509 -in "$directory/$name.crt" -noout -pubkey |
		openssl pkey -pubin -outform DER -out "$directory/$name.spki"
done

echo "$version" >"$directory/complete"
