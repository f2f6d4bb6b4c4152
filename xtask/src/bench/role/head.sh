# A hand-written, idempotent script for the role of examples/role: one process per kind of check, and processes
# for what differs only. The files' checks and contents follow behind it, then tail.sh.
set -eu
shopt -s extglob
changed=0 reload=0
declare -A meta=() sum=() link=() package=()

accounts=$'\n'$(</etc/passwd)$'\n' groups=$'\n'$(</etc/group)$'\n'
group() {
  [[ $groups == *$'\n'"$1:x:$2:"* ]] || { groupadd -g "$2" "$1"; changed=$((changed + 1)); }
}
user() { # name uid group gid home shell create-home
  [[ $accounts == *$'\n'"$1:x:$2:$4:"*":$5:$6"$'\n'* ]] && return
  useradd "$7" -u "$2" -g "$3" -d "$5" -s "$6" "$1"
  changed=$((changed + 1))
}
group benchgrp 2000
group benchops 2001
user benchapp 2000 benchgrp 2000 /var/lib/bench /usr/sbin/nologin -M
user benchdep 2001 benchgrp 2000 /home/benchdep /bin/bash -m
user benchmon 2002 benchops 2001 /nonexistent /usr/sbin/nologin -M

files=(/etc/bench/{static,template}-{01,02,03,04,05,06,07,08,09,10}.conf /etc/cron.d/bench-{1,2})
folders=(/opt/bench /opt/bench/data /var/lib/bench /etc/bench /home/benchdep/.ssh)
keys=/home/benchdep/.ssh/authorized_keys
while read -r mode owner group path; do meta[$path]=$mode:$owner:$group
done < <(stat -c '%a %U %G %n' "${files[@]}" "${folders[@]}" $keys 2>/dev/null)
while read -r digest path; do sum[$path]=$digest
done < <(sha256sum "${files[@]}" 2>/dev/null)
while read -r path target; do link[$path]=$target
done < <(find /opt/bench/current-{1,2,3,4,5} -maxdepth 0 -type l -printf '%p %l\n' 2>/dev/null)
wanted=(openssh-server sudo procps iproute2 ca-certificates)
while read -r status name; do package[$name]=$status
done < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2>/dev/null)

folder() { # path mode owner group
  [[ ${meta[$1]-} == "$2:$3:$4" ]] && return
  mkdir -p "$1"; chown "$3:$4" "$1"; chmod "$2" "$1"
  changed=$((changed + 1))
}
folder /opt/bench 755 root root
folder /opt/bench/data 750 benchapp benchgrp
folder /var/lib/bench 700 benchapp benchgrp
folder /etc/bench 755 root root
folder /home/benchdep/.ssh 700 benchdep benchgrp

file() { # path mode owner group digest, content on standard input
  if [[ ${sum[$1]-} != "$5" ]]; then
    (umask 077; cat >"$1.new"); chown "$3:$4" "$1.new"; chmod "$2" "$1.new"; mv -f "$1.new" "$1"
    changed=$((changed + 1))
    [[ $1 != */static-* ]] || reload=1
  elif [[ ${meta[$1]-} != "$2:$3:$4" ]]; then
    chown "$3:$4" "$1"; chmod "$2" "$1"
    changed=$((changed + 1))
  fi
}
