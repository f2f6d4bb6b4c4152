# Ends what a session's program runs, but neither the program nor the session: SESSION is the
# session's process. Politely first, then not.
pallet_work() {
  local file line table=' ' programs=' ' found=' ' pid parent before=
  for file in /proc/[0-9]*/stat; do
    { read -r line <"$file"; } 2>/dev/null || continue
    pid=${line%% *}
    # The name in brackets may contain anything.
    set -- ${line##*) }
    # Those that are dead already only wait for their parents.
    [ "$1" != Z ] || continue
    table="$table$pid:$2 "
    [ "$2" != "$SESSION" ] || programs="$programs$pid "
  done
  until [ "$before" = "$found" ]; do
    before=$found
    for line in $table; do
      pid=${line%:*} parent=${line#*:}
      case "$found" in *" $pid "*) continue ;; esac
      case "$programs$found" in *" $parent "*) found="$found$pid " ;; esac
    done
  done
  printf '%s' "$found"
}
for signal in TERM KILL; do
  work=$(pallet_work)
  [ -n "${work// /}" ] || break
  kill -s "$signal" $work 2>/dev/null
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.2
    work=$(pallet_work)
    [ -n "${work// /}" ] || break 2
  done
done
