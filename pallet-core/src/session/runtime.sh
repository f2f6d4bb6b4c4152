# The node's side of a session. It reads programs from standard input and runs them, one after the
# other, each in a subshell. Nothing is installed; what stays is the run log.
#
# From us:   a token line, then lines that say what to do:
#              "CODE-BYTES PAYLOAD-BYTES", then code and payload: run a program
#              "lock WAIT RUN RESUMES", then a line with who asks and one with the folder (or
#              nothing): take the node for this run, and log from now on what it does
#              "note WORDS…": write a line to the run log
#              "shield": from now on, whoever runs here may write although nobody listens any more
#              "put SHA256 SIZE", then a line with the folder, then those bytes that are missing
#              "stop": begin no further action of the program that runs
# To us:     marks around the programs' output: "TOKEN words…" between two record separators.
#
# Code comes as one compound command, so that a program cut short by a lost connection is a syntax
# error and not half a program. Payloads are complete before the code runs, for the same reason.
#
# Descriptors: 3 is what comes from us, 4 a program's payload, 8 a content that is arriving, 9 the
# run log, whose lock is the node's. Actions get none of them, since they may leave processes behind.
exec 3<&0 0</dev/null
umask 022
case :$PATH: in *:/usr/sbin:*) ;; *) PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH ;; esac
export PATH
printf 'pallet-ready\n'
IFS= read -r pallet_token <&3 || exit 0
pallet_said=

# A mark has no line end in it: bash sends each line by itself, and for each of them both sides wake
# up. What waits to be said is said together with the next mark.
pallet_say() { pallet_said=$pallet_said$'\036'"$pallet_token $*"$'\036'; }
pallet_flush() { printf '%s' "$pallet_said"; pallet_said= pallet_flushed=${EPOCHREALTIME/[.,]/}; }
pallet_mark() { pallet_say "$@"; pallet_flush; }
pallet_payload() { head -c "$1" <&4; }
pallet_uploaded() { cat -- "$pallet_uploads/$1"; }
# Goes no further if there is something to read: whoever sent the program wants it to stop, or is gone.
pallet_heed() { if read -r -t 0 -u 3 2>/dev/null; then pallet_mark stopped; exit 0; fi; }
# SECTION WORD ID: notes that an action begins.
pallet_note() {
  if [ -n "$pallet_log" ] && ! printf '%s %s\n' "$2" "$3" 2>&1 >&9; then
    pallet_flush
    printf 'it was not begun, since %s cannot be written\n' "$pallet_log"
    pallet_mark end "$1" 1
    exit 0
  fi
}
# STARTS…: how the paths of an action's temporary files start. None shall outlive it.
pallet_prepare() { pallet_temporary=("$@") pallet_unique=$$.$RANDOM$RANDOM$RANDOM; }
# A program ends, by itself or because a look at something ended it: then that is what is told.
pallet_tidy() {
  local status=$?
  [ "${#pallet_temporary[@]}" -eq 0 ] || rm -f -- "${pallet_temporary[@]/%/$pallet_unique}"
  if [ -n "$pallet_section" ]; then pallet_looked "$status"; pallet_flush; exit 0; fi
}
# SECTION: something is looked at. STATUS: it was; that is said together with what comes next.
pallet_look() { pallet_section=$1; pallet_mark begin "$1"; }
pallet_looked() { pallet_say end "$pallet_section" "$1"; pallet_section=; }
# SECTION WORD ID STARTS…: an action begins.
pallet_begin() { pallet_heed; pallet_prepare "${@:4}"; pallet_mark begin "$1"; pallet_note "$@"; }
# SECTION ID STARTS…: a brief action begins. Where there is a clock, nobody hears of it before it is
# over.
pallet_begin_brief() {
  pallet_heed
  pallet_prepare "${@:3}"
  pallet_say begin "$1"
  pallet_began=${EPOCHREALTIME/[.,]/}
  [ -n "$pallet_began" ] || pallet_flush
  pallet_note "$1" begun "$2"
}
# SECTION STATUS ID WORD [MICROSECONDS]: an action ends. A restart is done only when the node is
# there again.
pallet_end() {
  local word=done
  [ "$2" -eq 0 ] || word=failed
  [ -z "$pallet_log" ] || [ "$word $4" = 'done restart' ] || printf '%s %s\n' "$word" "$3" >&9
  # The end of one action is said together with the beginning of the next.
  pallet_say end "$1" "$2" $5
  [ "$2" -eq 0 ] || { pallet_flush; exit 0; }
  pallet_temporary=()
}
# SECTION STATUS ID: a brief action ends, which has written `pallet_output`. Many are told together,
# but none late.
pallet_end_brief() {
  local now=${EPOCHREALTIME/[.,]/} took=
  [ -z "$now" ] || took=$((now - pallet_began))
  pallet_said=$pallet_said$pallet_output
  pallet_end "$1" "$2" "$3" begun "$took"
  if [ $((now - pallet_flushed)) -ge 100000 ] || [ "${#pallet_said}" -gt 4096 ]; then pallet_flush; fi
}
pallet_stage() {
  local file
  file=$(umask 077 && mktemp "${TMPDIR:-/tmp}/.pallet.XXXXXXXX") || return 1
  head -c "$1" <&3 >"$file" && exec 4<"$file"
  local rc=$?
  [ "$rc" -ne 0 ] || [ "$(wc -c <"$file")" -eq "$1" ] || rc=1
  rm -f "$file"
  return "$rc"
}


# FOLDER: where this user keeps what outlives a session.
pallet_find_state() {
  pallet_state=${1:-${PALLET_STATE_DIR:-}}
  if [ -n "$pallet_state" ]; then :
  elif [ "$EUID" -eq 0 ]; then pallet_state=/var/lib/pallet
  else pallet_state=${XDG_STATE_HOME:-${HOME:-}/.local/state}/pallet
  fi
  if [ ! -d "$pallet_state" ]; then
    umask 077
    mkdir -p -- "$pallet_state" || { umask 022; return 1; }
    umask 022
  fi
}

# The last run that took the node.
pallet_holder() {
  local word rest holder=
  while IFS=' ' read -r word rest; do [ "$word" != run ] || holder=$rest; done <"$pallet_log"
  printf '%s' "$holder"
}

# WAIT RUN, and who asks in `holder`: waits until the node is this run's.
pallet_take() {
  local other told=
  SECONDS=0
  until flock -n 9; do
    other=$(pallet_holder)
    # A machine may be in the same run under two names. A run that was resumed is another process.
    if [ "${other%% *}" = "$2" ] && [ "${other#* * * }" = "$holder" ]; then return; fi
    # Whoever has taken it in this moment has not said so yet.
    if [ "$SECONDS" -ge 1 ] && [ -z "$told" ]; then pallet_mark lock busy "$other"; told=yes; fi
    if [ "$SECONDS" -ge "$1" ]; then pallet_mark lock refused "$other"; return 1; fi
    sleep 1
  done
}

# WAIT RUN RESUMES
pallet_lock() {
  local holder folder word rest current=
  IFS= read -r holder <&3 && IFS= read -r folder <&3 || exit 0
  if ! pallet_find_state "$folder"; then pallet_mark lock failed; exit 0; fi
  pallet_log=$pallet_state/run.log
  umask 077
  if ! { exec 9>>"$pallet_log"; }; then pallet_mark lock failed; exit 0; fi
  umask 022
  if type -P flock >/dev/null; then pallet_take "$@" || exit 0; else pallet_mark lock missing; fi
  # The log is kept from growing for ever; looking each time would cost a process.
  if [ $((RANDOM % 16)) -eq 0 ] && [ "$(wc -c <"$pallet_log")" -gt 262144 ]; then
    rest=$(tail -c 131072 -- "$pallet_log")
    printf '%s\n' "${rest#*$'\n'}" >"$pallet_log"
  fi
  if [ "$3" = yes ]; then
    while IFS=' ' read -r word rest; do
      [ "$word" != run ] || current=${rest%% *}
      [ "$current" != "$2" ] || printf '%s %s\n' "$word" "$rest"
    done <"$pallet_log"
  fi
  printf 'run %s %s %s %s\n' "$2" "$$" "${pallet_boot:--}" "$holder" >&9 || { pallet_mark lock failed; exit 0; }
  pallet_mark lock held
}

# FOLDER: makes a folder that nobody else can write to or look into.
pallet_private() { (umask 077 && mkdir -p -- "$1") && [ -O "$1" ] && [ ! -L "$1" ]; }

# SHA256 SIZE: takes what is missing of a content.
pallet_put() {
  local folder file have=0
  IFS= read -r folder <&3 || exit 0
  if pallet_find_state "$folder" 2>/dev/null && pallet_private "$pallet_state/uploads" 2>/dev/null; then
    folder=$pallet_state/uploads
  else
    folder=${TMPDIR:-/tmp}/.pallet-$EUID
    pallet_private "$folder" || { pallet_mark put failed; exit 0; }
  fi
  # Of contents that did not come to an end only this one can still be wanted.
  for file in "$folder"/*.part; do
    [ "$file" = "$folder/$1.part" ] || rm -f -- "$file"
  done
  file=$folder/$1
  # What is left of a session that was cut off may still be writing its last bytes.
  if [ ! -f "$file" ] && type -P flock >/dev/null; then
    umask 077
    if { exec 8>>"$file.part"; } 2>/dev/null; then flock -w 60 8; fi
    umask 022
  fi
  if [ -f "$file" ]; then have=$2
  elif [ -f "$file.part" ]; then
    have=$(wc -c <"$file.part")
    [ "$have" -le "$2" ] || { have=0; rm -f -- "$file.part"; }
  fi
  pallet_mark put have "$((have))"
  if [ ! -f "$file" ]; then
    umask 077
    head -c "$(($2 - have))" <&3 >>"$file.part" || { pallet_mark put failed; exit 0; }
    umask 022
    [ "$(wc -c <"$file.part")" -eq "$2" ] || exit 0
    if [ "$(sha256sum <"$file.part")" != "$1  -" ]; then
      rm -f -- "$file.part"
      exec 8>&-
      pallet_mark put wrong
      return
    fi
    mv -f -- "$file.part" "$file" || { pallet_mark put failed; exit 0; }
    exec 8>&-
  fi
  printf '%s' "$folder"
  pallet_mark put done
}

pallet_log=
pallet_boot=
# A container has its machine's boot id, but its first process starts anew.
if [ -r /proc/sys/kernel/random/boot_id ]; then read -r pallet_boot </proc/sys/kernel/random/boot_id; fi
if read -r pallet_file 2>/dev/null </proc/1/stat; then
  set -- ${pallet_file##*) }
  pallet_boot=$pallet_boot:${20}
fi

# For the same reason facts are lines whose ends are other ones. They are read without processes
# wherever that goes: what a session costs the node is mostly processes.
pallet_add() { pallet_said=$pallet_said${1//$'\n'/$'\037'}$'\037'; }
# Reads a file as a whole: of what can be rewound, bash reads every line with two system calls.
pallet_slurp() { pallet_text=; IFS= read -r -d '' pallet_text <"$1"; }
# The processors that may be used, which are told as "0-3,8".
pallet_cpus() {
  local range count=0 IFS=,
  pallet_slurp /proc/self/status 2>/dev/null
  if [[ $pallet_text =~ Cpus_allowed_list:[[:space:]]*([0-9,-]+) ]]; then
    for range in ${BASH_REMATCH[1]}; do count=$((count + ${range#*-} - ${range%-*} + 1)); done
  else
    count=$(exec nproc 2>/dev/null)
  fi
  pallet_add "PALLET_CPUS=$count"
}
pallet_mounts() {
  local line IFS=$'\n'
  pallet_slurp /proc/mounts
  set -f
  for line in $pallet_text; do
    # Whatever has a device or a server, and the root: kernels mount a lot of other things.
    case $line in /*|*:/*|*' / '*) pallet_add "$line" ;; esac
  done
  set +f
}
pallet_mark facts
pallet_add "PALLET_PID=$$"
pallet_add "PALLET_BOOT=$pallet_boot"
for pallet_file in /etc/os-release /usr/lib/os-release; do
  if [ -r "$pallet_file" ]; then pallet_slurp "$pallet_file"; pallet_add "$pallet_text"; break; fi
done
if [ -r /etc/redhat-release ]; then
  read -r pallet_file </etc/redhat-release
  pallet_add "PALLET_REDHAT_RELEASE=$pallet_file"
fi
pallet_add "PALLET_OSTYPE=$OSTYPE"
pallet_add "PALLET_HOSTNAME=$HOSTNAME"
pallet_add "PALLET_ARCH=$HOSTTYPE"
if [ -r /proc/sys/kernel/osrelease ]; then pallet_add "PALLET_KERNEL=$(</proc/sys/kernel/osrelease)"; fi
for pallet_file in apt-get dnf yum zypper pacman apk brew; do
  if type -P "$pallet_file" >/dev/null; then pallet_add "PALLET_PACKAGER_$pallet_file=yes"; fi
done
if [ -d /run/systemd/system ]; then pallet_add PALLET_INIT=systemd; fi
pallet_cpus
if [ -r /proc/meminfo ]; then
  read -r _ pallet_file _ </proc/meminfo
  pallet_add "PALLET_MEMORY_KIB=$pallet_file"
fi
pallet_add PALLET_SECTION=addresses
# With `exec` bash starts one process less.
if type -P ip >/dev/null; then pallet_add "$(exec ip -o addr 2>/dev/null)"; else pallet_add "$(exec hostname -I 2>/dev/null)"; fi
if [ -r /proc/mounts ]; then
  pallet_add PALLET_SECTION=mounts
  pallet_mounts
fi
pallet_mark done 0

while IFS=' ' read -r pallet_code pallet_bytes <&3; do
  case $pallet_code in
    lock) pallet_lock $pallet_bytes; continue ;;
    note) printf '%s\n' "$pallet_bytes" >&9 && pallet_mark noted; continue ;;
    put) pallet_put $pallet_bytes; continue ;;
    # What is running must not end because the connection is lost: half an installation is worse
    # than a whole one that nobody hears of. `tee` goes on with the file that is left.
    shield) exec > >(exec 3<&- 4<&- 9>&- 2>/dev/null; trap '' PIPE; exec tee /dev/null); continue ;;
    stop) continue ;;
  esac
  # Code ends with a brace, so it loses only the line end behind that here.
  pallet_code=$(exec head -c "$pallet_code" <&3)
  exec 4</dev/null
  if [ "$pallet_bytes" -gt 0 ] && ! pallet_stage "$pallet_bytes"; then pallet_mark done 1; exit 1; fi
  (pallet_temporary=() pallet_section=; trap pallet_tidy EXIT; eval "$pallet_code")
  pallet_mark done "$?"
done
