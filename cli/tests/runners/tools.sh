# Stands in for programs that the README names and that a machine may not have.
LC_ALL=C

# wscat -c URL -H HEADER -x TEXT: connects, sends the text, and prints what comes within a second, or how it ended.
wscat() {
  local url= header= text= line= kind= length= payload=
  while [ $# -gt 0 ]; do
    case $1 in
      -c) url=$2 ;;
      -H) header=$2 ;;
      -x) text=$2 ;;
      *) echo "wscat: unknown option $1" >&2; return 2 ;;
    esac
    shift 2
  done
  [[ $url =~ ^ws://([^:/]+):([0-9]+)(/.*)$ ]] || return 2
  exec 3<>"/dev/tcp/${BASH_REMATCH[1]}/${BASH_REMATCH[2]}" || return 1
  printf '%s\r\n' "GET ${BASH_REMATCH[3]} HTTP/1.1" 'Host: x' 'Connection: Upgrade' 'Upgrade: websocket' \
    'Sec-WebSocket-Version: 13' 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' "$header" '' >&3
  while IFS= read -r -t 5 line <&3 && [ "$line" != $'\r' ]; do :; done
  # One text frame under a mask of zeros.
  printf "\x81\x$(printf %x $((128 + ${#text})))\0\0\0\0%s" "$text" >&3
  while IFS= read -r -t 1 -N 1 kind <&3 && IFS= read -r -t 1 -N 1 length <&3; do
    printf -v length %d "'$length"
    IFS= read -r -t 1 -N "$length" payload <&3
    case $kind in
      $'\x81') printf '%s\n' "$payload" ;;
      $'\x88')
        printf 'Disconnected (code: %d, reason: "%s")\n' \
          $(((($(printf %d "'${payload:0:1}") & 255) << 8) + ($(printf %d "'${payload:1:1}") & 255))) "${payload:2}"
        break
        ;;
    esac
  done
  exec 3>&-
}

# curl -fsS [-H HEADER] URL: prints the body of a 200, or fails.
command -v curl >/dev/null || curl() {
  local url= header= answer=
  while [ $# -gt 0 ]; do
    case $1 in
      -fsS) shift ;;
      -H) header=$2; shift 2 ;;
      *) url=$1; shift ;;
    esac
  done
  [[ $url =~ ^http://([^:/]+):([0-9]+)(/.*)$ ]] || return 2
  exec 3<>"/dev/tcp/${BASH_REMATCH[1]}/${BASH_REMATCH[2]}" || return 7
  printf '%s\r\n' "GET ${BASH_REMATCH[3]} HTTP/1.1" 'Host: x' 'Connection: close' ${header:+"$header"} '' >&3
  answer=$(cat <&3)
  exec 3>&-
  [[ $answer == 'HTTP/1.1 200 '* ]] || return 22
  printf '%s' "${answer#*$'\r\n\r\n'}"
}
