#!/usr/bin/env bash
# A Slurm cluster on this machine: a controller and N nodes, each a slurmd of its own. For tests of the Slurm engine and for
# trying it out; nodes are pretended, so it is no faster than the machine.
#
#   eval "$(scripts/slurm-lab.sh start 3)"     install Slurm if need be (Debian, as root), start 3 nodes, set SLURM_CONF
#   apical run suites/smoke.yaml --engine slurm
#   scripts/slurm-lab.sh stop
#
# and, to see what becomes of runs when things break:
#   lose K        node K vanishes with all its processes, as when its power fails
#   sever K       node K's slurmd dies and its jobs run on, as when its network fails
#   revive K      node K is back
#   bounce        the controller is stopped and started again
#
# The cluster lies in $APICAL_SLURM_LAB (by default a folder below $TMPDIR); several can stand side by side. `--until PID`
# stops it when that process is gone. Nothing of it is left on the machine but the packages.
set -euo pipefail

lab="${APICAL_SLURM_LAB:-${TMPDIR:-/tmp}/apical-slurm-lab-$(id -u)}"
conf="$lab/slurm.conf"
export SLURM_CONF="$conf"
PATH="$PATH:/usr/sbin:/sbin"

die() { echo "slurm-lab: $*" >&2; exit "${code:-1}"; }

# Exit code 77 is for tests: Slurm is not here and can't be installed.
install_slurm() {
  command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null && return
  local packages=(slurmctld slurmd slurm-client munge)
  if ! command -v apt-get >/dev/null; then
    code=77 die "Slurm is not installed. Install slurmctld, slurmd, the client commands and munge by this system's packages."
  fi
  if [ "$(id -u)" != 0 ]; then
    code=77 die "Slurm is not installed. As root: apt-get install --no-install-recommends ${packages[*]}"
  fi
  # Several clusters may be started at once.
  if command -v flock >/dev/null; then
    exec 9>"${TMPDIR:-/tmp}/apical-slurm-install.lock"
    flock 9
    ! command -v slurmctld >/dev/null || { exec 9>&-; return 0; }
  fi
  export DEBIAN_FRONTEND=noninteractive
  # No daemon of the system's own is wanted.
  local policy=/usr/sbin/policy-rc.d written=
  [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && written=1; }
  { apt-get install -y -qq --no-install-recommends "${packages[@]}" ||
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"; }; } >"$lab/install.log" 2>&1 ||
    { [ -z "$written" ] || rm -f "$policy"; tail -3 "$lab/install.log" >&2; code=77 die "Slurm could not be installed from the system's packages."; }
  [ -z "$written" ] || rm -f "$policy"
  # No daemon is to inherit the lock.
  exec 9>&- || true
}

free_port() {
  python3 - "$1" <<'PYTHON'
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))
PYTHON
}

write_configuration() {
  local nodes="$1" host ports
  host="$(hostname -s)"
  read -r -a ports <<<"$(free_port $((nodes + 1)))"
  mkdir -p "$lab"/{state,log,spool,dev}
  chmod 755 "$lab"
  (umask 077 && head -c 1024 /dev/urandom >"$lab/munge.key")
  cat >"$conf" <<CONF
ClusterName=lab
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$lab/munge.socket,cred_expire=30
CredType=cred/munge
SlurmctldPort=${ports[0]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPidFile=$lab/slurmctld.pid
SlurmdPidFile=$lab/slurmd.%n.pid
SlurmctldLogFile=$lab/log/slurmctld.log
SlurmdLogFile=$lab/log/slurmd.%n.log
SlurmdSpoolDir=$lab/spool/%n
StateSaveLocation=$lab/state
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
# Memory limits hold as on a cluster, by polling instead of control groups.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$lab/log/jobcomp.txt
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=200000,batch_sched_delay=0,bf_interval=5,default_queue_depth=1000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1000
MaxArraySize=${APICAL_SLURM_LAB_ARRAY:-20001}
MaxJobCount=60000
MinJobAge=600
ReturnToService=2
SlurmdTimeout=6
SlurmctldTimeout=30
MessageTimeout=10
KillWait=3
InactiveLimit=0
Waittime=0
JobRequeue=1
SlurmdParameters=config_overrides
GresTypes=gpu
PartitionName=lab Nodes=node[1-$nodes] Default=YES MaxTime=INFINITE State=UP
CONF
  : >"$lab/gres.conf"
  for ((k = 1; k <= nodes; k++)); do
    echo "NodeName=node$k NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[k]} CPUs=4 RealMemory=4000 Gres=gpu:2 State=UNKNOWN" >>"$conf"
    # Any character device passes for a GPU as far as Slurm is concerned.
    printf 'NodeName=node%s Name=gpu File=%s\n' "$k" /dev/null "$k" /dev/zero >>"$lab/gres.conf"
    mkdir -p "$lab/spool/node$k"
  done
}

start_node() { slurmd -f "$conf" -N "node$1"; }

start_controller() { slurmctld -f "$conf" >/dev/null 2>&1; }

await_nodes() {
  local state=
  for _ in $(seq 300); do
    state="$(sinfo -h -N -o %T 2>/dev/null | sort -u || true)"
    [ "$state" = idle ] && return
    sleep 0.1
  done
  tail -n 5 "$lab"/log/*.log >&2 || true
  stop
  die "the nodes did not come up: ${state:-the controller does not answer} (the logs' last lines are above)"
}

end_process() { # pid file
  local pid
  pid="$(cat "$1" 2>/dev/null)" || return 0
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null || true
}

# The processes of the jobs on a node, and the slurmstepds that started them. What is sought stands in their environment.
job_processes() {
  local files file pid parent
  files="$(grep -lzxF "SLURM_CONF=$conf" /proc/[0-9]*/environ 2>/dev/null | xargs -r grep -lzxF "SLURMD_NODENAME=node$1" 2>/dev/null || true)"
  for file in $files; do
    pid="${file//[!0-9]/}"
    echo "$pid"
    parent="$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null || true)"
    ! grep -qs slurmstepd "/proc/${parent:-0}/cmdline" || echo "$parent"
  done | sort -un
}

stop() {
  [ -d "$lab" ] || return 0
  [ ! -e "$lab/slurmctld.pid" ] || scancel --quiet --full --user="$(id -un)" 2>/dev/null || true
  local file
  for file in "$lab"/slurmd.*.pid "$lab"/slurmctld.pid; do [ ! -e "$file" ] || end_process "$file"; done
  local k
  for k in $(sed -n 's/^NodeName=node\([0-9]*\) .*/\1/p' "$conf" 2>/dev/null); do
    job_processes "$k" | xargs -r kill -9 2>/dev/null || true
  done
  [ ! -e "$lab/munge.pid" ] || end_process "$lab/munge.pid"
  rm -rf "$lab"
}

start() {
  [[ "$lab" != *[[:space:]]* ]] || code=2 die "APICAL_SLURM_LAB has a blank in it, which Slurm's configuration can't have: $lab"
  local nodes="${1:-3}" until=
  [[ "$nodes" =~ ^[1-9][0-9]*$ ]] || code=2 die "how many nodes? e.g. $0 start 3"
  [ "${2:-}" != --until ] || until="$3"
  [ ! -e "$lab/slurmctld.pid" ] || stop
  mkdir -p "$lab"
  install_slurm
  write_configuration "$nodes"
  # What stands already is not left behind by what fails.
  trap 'echo "slurm-lab: it did not start; the logs said:" >&2; tail -n 3 "$lab"/log/*.log >&2 || true; stop' ERR
  munged --key-file "$lab/munge.key" --socket "$lab/munge.socket" --pid-file "$lab/munge.pid" \
    --log-file "$lab/log/munged.log" --seed-file "$lab/munge.seed" --num-threads 2 --force 2>/dev/null
  start_controller
  local k
  for ((k = 1; k <= nodes; k++)); do start_node "$k"; done
  await_nodes
  trap - ERR
  if [ -n "$until" ]; then
    # In a session of its own: whatever ends that process may end all around it.
    setsid "$0" watch "$until" >/dev/null 2>&1 </dev/null &
  fi
  echo "export SLURM_CONF=$conf"
}

case "${1:-}" in
  start) shift; start "$@" ;;
  stop) stop ;;
  watch)
    while kill -0 "$2" 2>/dev/null; do sleep 1; done
    stop ;;
  lose) # the daemon first, so that it tells the controller nothing
    kill -9 "$(cat "$lab/slurmd.node$2.pid")" 2>/dev/null || true
    job_processes "$2" | xargs -r kill -9 2>/dev/null || true ;;
  sever) kill -9 "$(cat "$lab/slurmd.node$2.pid")" ;;
  revive) start_node "$2" ;;
  bounce) end_process "$lab/slurmctld.pid"; start_controller ;;
  *) sed -n '2,17s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
