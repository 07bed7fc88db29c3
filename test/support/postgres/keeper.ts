/**
 * A shell script that runs a server for as long as its own standard input is open, then shuts it down and removes the
 * server's directory. Arguments: the directory, the program, the program's arguments. Exits as the server does.
 *
 * Whoever starts it holds the other end of that pipe, so the kernel closes it even when that process is killed with
 * SIGKILL and no code of it runs any more. `setpriv --pdeathsig` would do the same, but only on Linux, and it looks at
 * the thread that started it rather than at the process.
 *
 * A server that ends by itself leaves its directory, with its log, to whoever started it.
 */
export const keeperScript = `
directory=$1
shift
# What runs in the background has its standard input replaced, so the pipe gets a number of its own.
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
(
  while read -r _; do :; done <&3
  : >"$directory/stopping"
  # Fast shutdown; where a receiver of WAL does not let go, an immediate one.
  kill -INT "$server"
  for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 1; done
  kill -QUIT "$server"
) 2>/dev/null &
reader=$!
wait "$server"
status=$?
kill "$reader" 2>/dev/null
if [ -e "$directory/stopping" ]; then rm -rf "$directory"; fi
exit "$status"
`;
