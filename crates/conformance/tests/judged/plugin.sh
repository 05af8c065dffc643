#!/bin/sh
# A plugin that makes a pair of interfaces, gives addresses of its own, and does as the specification says, unless its configuration has
# "wrong": then it does one thing otherwise. The text of its configuration is its own affair: it is read by sed.
state=/var/lib/cni/sample
text=$(cat)

of() { printf '%s' "$text" | tr -d '\n' | sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }

fail() {
    [ "$wrong" = stdout-of-error ] && { echo "error: $2"; exit 1; }
    [ "$wrong" = error-without-code ] && { printf '{"cniVersion":"%s","msg":"%s"}' "${version:-1.0.0}" "$2"; exit 1; }
    [ "$wrong" = exit-status ] && code=0 || code=1
    printf '{"cniVersion":"%s","code":%s,"msg":"%s"}' "${version:-1.0.0}" "$1" "$2"
    exit $code
}

# Asks the IPAM plugin that the configuration names as this one was asked; what it prints is in $answer.
ask_ipam() {
    file=$(IFS=:; for dir in $CNI_PATH; do [ -x "$dir/$ipam" ] && echo "$dir/$ipam" && break; done)
    [ -n "$file" ] || fail 5 "the IPAM plugin $ipam is not in CNI_PATH"
    given=$text
    [ "$wrong" = ipam-section ] && given="{\"cniVersion\":\"$version\",\"ipam\":{\"type\":\"$ipam\"}}"
    hidden=
    [ "$wrong" = ipam-variables ] && hidden='-u CNI_IFNAME'
    [ "$wrong" = ipam-stderr ] && exec 2>/dev/null
    printf '%s' "$given" | env $hidden CNI_COMMAND="$1" "$file" >"$printed"
    status=$?
    answer=$(head -c 10000 "$printed" | tr -d '\000')
    rm -f "$printed"
    return $status
}

# The address and the gateway of a result, which has just the form that results of IPAM plugins have here.
part='(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])'
ip="$part(\\.$part){3}"
form="\\{\"cniVersion\":\"(0\\.3\\.1|0\\.4\\.0|1\\.[01]\\.0)\",\"ips\":\\[\\{(\"version\":\"4\",)?\"address\":\"$ip/(3[0-2]|[12]?[0-9])\""
form="$form,\"gateway\":\"$ip\"\\}\\],\"routes\":\\[\\{\"dst\":\"0\\.0\\.0\\.0/0\"\\}\\]\\}"
addresses() {
    ask_ipam ADD || {
        [ "$wrong" = ipam-del ] || ask_ipam DEL
        [ "$wrong" = ipam-trusted ] || fail 100 "the IPAM plugin failed"
        answer='{"cniVersion":"1.0.0","ips":[{"address":"10.99.0.9/24","gateway":"10.99.0.1"}],"routes":[{"dst":"0.0.0.0/0"}]}'
    }
    printf '%s' "$answer" | grep -Eqx "$form" || {
        [ "$wrong" = ipam-not-released ] || ask_ipam DEL
        fail 6 "what the IPAM plugin printed is no result"
    }
    net=$(printf '%s' "$answer" | sed 's/.*"address":"\([^"]*\)".*/\1/')
    gateway=$(printf '%s' "$answer" | sed 's/.*"gateway":"\([^"]*\)".*/\1/')
}

wrong=$(of wrong)
ipam=$(printf '%s' "$text" | tr -d '\n' | sed -n 's/.*"ipam" *: *{[^}]*"type" *: *"\([^"]*\)".*/\1/p')
# In a result that was made before, which stands last, it is the same.
version=$(printf '%s' "$text" | grep -o '"cniVersion" *: *"[^"]*"' | head -n 1 | sed 's/.*: *"\([^"]*\)"/\1/')

case $CNI_COMMAND in
VERSION)
    [ "$wrong" = version-answer ] && { echo '{"cniVersion":"1.0.0"}'; exit 0; }
    [ "$wrong" = version-no-echo ] && version=1.1.0
    printf '{"cniVersion":"%s","supportedVersions":["0.3.1","0.4.0","1.0.0","1.1.0"]}' "${version:-1.0.0}"
    exit 0
    ;;
ADD | DEL | CHECK | GC | STATUS) ;;
*) fail 4 "CNI_COMMAND is no command" ;;
esac

# What is no configuration.
printf '%s' "$text" | tr -d '\n' | grep -q '^ *{.*} *$' || fail 6 "the configuration is no JSON object"
case $text in
*'"name":'*) ;;
*) fail 7 "the configuration has no name" ;;
esac
printf '%s' "$text" | grep -q '"cniVersion": *[0-9]' && fail 6 "cniVersion is no text"
printf '%s' "$text" | grep -q '"name": *\[' && fail 6 "the name is no text"
printf '%s' "$text" | tr -d '\n' | grep -Eq '"name": *"[A-Za-z0-9][A-Za-z0-9_.-]*"' || fail 7 "the network's name is none"
case $version in
0.3.1 | 0.4.0 | 1.0.0 | 1.1.0) ;;
*) [ "$wrong" = any-version ] || fail 1 "version $version is not supported" ;;
esac
[ "$CNI_COMMAND" = CHECK ] && [ "$version" = 0.3.1 ] && fail 1 "CHECK is not of $version"
case $CNI_COMMAND in GC | STATUS) [ "$version" = 1.1.0 ] || fail 1 "$CNI_COMMAND is not of $version" ;; esac
mkdir -p $state
printed=$state/printed.$$
if [ "$CNI_COMMAND" = STATUS ]; then
    [ -z "$ipam" ] || [ "$wrong" = ipam-status ] || ask_ipam STATUS || fail 50 "the IPAM plugin is not available"
    exit 0
fi

case $CNI_COMMAND in
ADD | DEL | CHECK)
    if [ "$wrong" != container-id ]; then
        printf '%s' "$CNI_CONTAINERID" | LC_ALL=C grep -Eq '^[A-Za-z0-9][A-Za-z0-9_.-]*$' || fail 4 "CNI_CONTAINERID is none"
    fi
    [ -n "$CNI_IFNAME" ] && [ ${#CNI_IFNAME} -le 15 ] || fail 4 "CNI_IFNAME is none"
    case $CNI_IFNAME in .. | . | */* | *' '*) fail 4 "CNI_IFNAME is none" ;; esac
    ;;
esac
record=$state/$CNI_CONTAINERID:$CNI_IFNAME
host=s$(printf '%s' "$CNI_CONTAINERID:$CNI_IFNAME" | cksum | cut -d' ' -f1)
inside() { nsenter --net="$CNI_NETNS" "$@"; }

remove() {
    ip link del "$2" 2>/dev/null
    [ "$wrong" = keeps-address ] || rm -f "$1" "$state/$(cat "$1" 2>/dev/null).taken"
}

check() {
    printf '%s' "$text" | grep -q '"prevResult"' || fail 7 "prevResult is missing"
    [ "$wrong" = check-passes ] && exit 0
    there=$(inside ip -4 -o address show dev "$CNI_IFNAME" up 2>/dev/null | sed 's/.* inet \([^ ]*\) .*/\1/')
    expected=$(of address)
    [ -n "$there" ] && [ "$there" = "$expected" ] || fail 100 "the interface has not the address"
    inside ip route show default | grep -q 'via 10.' || fail 100 "the route is gone"
    [ -z "$ipam" ] || [ "$wrong" = ipam-check ] || ask_ipam CHECK || fail 100 "the IPAM plugin knows of no address"
    exit 0
}

case $CNI_COMMAND in
CHECK) check ;;
DEL)
    [ "$wrong" = del-unknown ] && [ ! -e "$record" ] && fail 3 "nothing is known of the container"
    if [ "$wrong" = del-needs-netns ]; then inside true 2>/dev/null || fail 4 "CNI_NETNS is no namespace"; fi
    remove "$record" "$host"
    [ -z "$ipam" ] || [ "$wrong" = ipam-kept ] || ask_ipam DEL || fail 100 "the IPAM plugin cannot give the address back"
    [ "$wrong" = del-prints ] && echo '{}'
    exit 0
    ;;
GC)
    for file in "$state"/*:*; do
        [ -e "$file" ] || continue
        id=${file##*/}
        if [ "$wrong" != gc-all ]; then
            printf '%s' "$text" | grep -q "\"containerID\": *\"${id%%:*}\"" && continue
        fi
        [ "$wrong" = gc-none ] && continue
        remove "$file" "s$(printf '%s' "$id" | cksum | cut -d' ' -f1)"
    done
    [ -z "$ipam" ] || [ "$wrong" = ipam-gc ] || ask_ipam GC || fail 100 "the IPAM plugin cannot clean up"
    exit 0
    ;;
esac

[ -n "$CNI_NETNS" ] || fail 4 "CNI_NETNS is missing"
inside true 2>/dev/null || fail 4 "CNI_NETNS is no namespace"
[ "$(readlink -f "$CNI_NETNS")" != /proc/self/ns/net ] && [ "$(stat -Lc %i "$CNI_NETNS")" != "$(stat -Lc %i /proc/self/ns/net)" ] ||
    fail 4 "CNI_NETNS is the host's"
# Three of these would have to be read by more than sed.
printf '%s' "$text" | grep -Eq '"(dns|prevResult)": *"' && fail 6 "dns and prevResult are objects"
if [ "$wrong" = replaces ]; then inside ip link del "$CNI_IFNAME" 2>/dev/null; fi
inside ip link show dev "$CNI_IFNAME" >/dev/null 2>&1 && fail 100 "the interface is there already"
undo() {
    remove "$record" "$host"
    [ -z "$ipam" ] || ask_ipam DEL
}
trap 'rm -f "$printed"; remove "$record" "$host"; exit 1' TERM
number=2
gateway=10.77.0.1
if [ -n "$ipam" ]; then
    addresses
elif [ "$wrong" != same-address ]; then
    # Whoever makes the file has the address.
    until (set -C; : >"$state/10.77.0.$number.taken") 2>/dev/null; do number=$((number + 1)); done
fi
[ -n "$ipam" ] || net=10.77.0.$number/24
echo "10.77.0.$number" >"$record"
ip link add "$host" type veth peer name "$CNI_IFNAME" netns "$CNI_NETNS" 2>/dev/null || {
    undo
    fail 5 "the interface cannot be made"
}
ip link set "$host" up
inside ip address add "$net" dev "$CNI_IFNAME" 2>/dev/null || {
    undo
    fail 5 "the address cannot be given"
}
inside ip link set "$CNI_IFNAME" up
inside ip route add default via "$gateway" 2>/dev/null
[ "$wrong" = leaves-link ] && ip link add "left$$" type veth peer name "tfel$$"
[ "$wrong" = stdout-noise ] && echo "attached $CNI_IFNAME"
told=$net
[ "$wrong" = lies-about-address ] && told=10.77.1.$number/24
[ "$wrong" = lies-about-mac ] && lie='"mac":"02:00:00:00:00:01",'
sandbox=$CNI_NETNS
[ "$wrong" = sandbox ] && sandbox=/proc/1/ns/net
case $version in 1.*) family= ;; *) family='"version":"4",' ;; esac
[ "$wrong" = old-form ] && family='"version":"4",'
index=1
[ "$wrong" = index ] && index=7
interfaces="{\"name\":\"$host\"},{\"name\":\"$CNI_IFNAME\",$lie\"sandbox\":\"$sandbox\"}"
[ "$wrong" = hides-interface ] && interfaces="{\"name\":\"$CNI_IFNAME\",\"sandbox\":\"$sandbox\"}" && index=0
route="{\"dst\":\"0.0.0.0/0\",\"gw\":\"$gateway\"}"
[ "$wrong" = lies-about-route ] && route='{"dst":"192.0.2.0/24","gw":"10.77.0.1"}'
printf '{"cniVersion":"%s","interfaces":[%s],"ips":[{%s"address":"%s","gateway":"%s","interface":%s}],"routes":[%s],"dns":{}}' \
    "$version" "$interfaces" "$family" "$told" "$gateway" "$index" "$route"
