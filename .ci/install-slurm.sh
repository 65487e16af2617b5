#!/usr/bin/env bash
# Installs Debian's Slurm and starts a cluster of one machine: controller, one node `localhost` with 2 CPUs, munge for
# authentication. No cgroups, no task plugin, no accounting: it runs in a container. Safe to run again; needs root.
set -euo pipefail
if ! command -v slurmctld >/dev/null || ! command -v slurmd >/dev/null || ! command -v munged >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
fi

state=/var/spool/slurm-one
mkdir -p "$state/controller" "$state/node" /etc/slurm /run/munge /var/log/munge /var/lib/munge
cat >/etc/slurm/slurm.conf <<EOF
ClusterName=one
SlurmctldHost=localhost
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation=$state/controller
SlurmdSpoolDir=$state/node
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=100000
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MaxArraySize=100001
MaxJobCount=200000
MinJobAge=60
KillWait=5
NodeName=localhost CPUs=2 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
EOF

# munged refuses to run with a key that others may read.
if [ ! -s /etc/munge/munge.key ]; then
  mkdir -p /etc/munge
  head -c 1024 /dev/urandom >/etc/munge/munge.key
fi
chown -R munge: /etc/munge /var/log/munge /var/lib/munge /run/munge
chmod 700 /etc/munge /var/log/munge /var/lib/munge
chmod 400 /etc/munge/munge.key
chmod 755 /run/munge

munge -n >/dev/null 2>&1 || setpriv --reuid munge --regid munge --clear-groups munged --force
scontrol ping 2>/dev/null | grep -q UP || slurmctld
pgrep -x slurmd >/dev/null || slurmd

for _ in $(seq 150); do
  if sinfo -h -o %T 2>/dev/null | grep -qE '^(idle|mixed|allocated)$'; then
    echo "slurm $(sinfo --version | cut -d' ' -f2) is up"
    exit 0
  fi
  if sinfo -h -o %T 2>/dev/null | grep -qE 'down|drain'; then
    scontrol update NodeName=localhost State=RESUME >/dev/null 2>&1 || true
  fi
  sleep 0.2
done
echo "slurm did not come up:" >&2
tail -n 20 "$state"/*.log >&2 || true
exit 1
