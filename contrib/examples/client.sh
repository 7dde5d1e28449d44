#!/bin/sh
# SPDX-License-Identifier: MIT
# Ask a coprocd: client.sh nc|socat SOCKET LINE...; the listener is a plain one.
# Many lines at once: nc -NU SOCKET < LINES > REPLIES
by_nc() { nc -NU "$socket"; }                         # -N: end the input, wait for the replies
by_socat() { socat -t 60 - "UNIX-CONNECT:$socket"; } # -t: or it leaves after half a second

by=by_$1 socket=$2
shift 2
for line; do
	reply=$(printf '%s\n' "$line" | "$by") || exit
	case $reply in
	'coprocd: error: '*) echo "no reply: ${reply#coprocd: error: }" ;;
	*) printf '%s\n' "$reply" ;;
	esac
done
