"""The system calls that sandboxed code may make, with their numbers on x86-64 and on arm64.

Everything else is refused: among others mount, ptrace, bpf, io_uring, keyrings, socket (but not socketpair), System V
IPC, user namespaces, and ways to reach other processes. Numbers are from Linux's ``asm/unistd_64.h`` and
``asm-generic/unistd.h``.
"""

from __future__ import annotations

import os

__all__ = ["ARCHITECTURE_IDS", "LAST_KNOWN", "MACHINE", "SHARED_UID_CALLS", "SIGNAL_CALLS", "allowed_numbers"]

MACHINE = os.uname().machine

ARCHITECTURE_IDS = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The AUDIT_ARCH value of each supported machine."""

LAST_KNOWN = 470
"""Higher numbers are of later kernels: programs are told that the call doesn't exist, and use an older one."""

SIGNAL_CALLS = frozenset(("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"))
"""Refused where nothing else keeps signals inside the sandbox."""

SHARED_UID_CALLS = frozenset(
    (
        *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
        *("utime", "utimes", "futimesat", "utimensat"),
        *("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"),
    )
)
"""Refused where the code has the worker's user id and sees its files: Landlock doesn't cover changes of metadata."""

# name:x86-64:arm64
_TABLE = """
read:0:63 write:1:64 open:2:- close:3:57 stat:4:- fstat:5:80 lstat:6:- newfstatat:262:79 statx:332:291 poll:7:-
ppoll:271:73 lseek:8:62 mmap:9:222 mprotect:10:226 munmap:11:215 brk:12:214 mremap:25:216 msync:26:227
mincore:27:232 madvise:28:233 mlock:149:228 munlock:150:229 mlock2:325:284 mlockall:151:230 munlockall:152:231
rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139 rt_sigpending:127:136 rt_sigtimedwait:128:137
rt_sigsuspend:130:133 sigaltstack:131:132 rt_sigqueueinfo:129:138 rt_tgsigqueueinfo:297:240 ioctl:16:29
pread64:17:67 pwrite64:18:68 readv:19:65 writev:20:66 preadv:295:69 pwritev:296:70 preadv2:327:286 pwritev2:328:287
access:21:- faccessat:269:48 faccessat2:439:439 pipe:22:- pipe2:293:59 select:23:- pselect6:270:72
sched_yield:24:124 dup:32:23 dup2:33:- dup3:292:24 pause:34:- nanosleep:35:101 clock_nanosleep:230:115
getitimer:36:102 setitimer:38:103 alarm:37:- getpid:39:172 sendfile:40:71 socketpair:53:199 sendto:44:206
recvfrom:45:207 sendmsg:46:211 recvmsg:47:212 recvmmsg:299:243 sendmmsg:307:269 shutdown:48:210 getsockname:51:204
getpeername:52:205 getsockopt:55:209 setsockopt:54:208 clone:56:220 fork:57:- vfork:58:- execve:59:221
execveat:322:281 exit:60:93 exit_group:231:94 wait4:61:260 waitid:247:95 kill:62:129 tkill:200:130 tgkill:234:131
pidfd_open:434:434 pidfd_send_signal:424:424 uname:63:160 fcntl:72:25 flock:73:32 fsync:74:82 fdatasync:75:83
sync_file_range:277:84 truncate:76:45 ftruncate:77:46 fallocate:285:47 getdents:78:- getdents64:217:61 getcwd:79:17
chdir:80:49 fchdir:81:50 rename:82:- renameat:264:38 renameat2:316:276 mkdir:83:- mkdirat:258:34 rmdir:84:-
creat:85:- openat:257:56 link:86:- linkat:265:37 unlink:87:- unlinkat:263:35 symlink:88:- symlinkat:266:36
readlink:89:- readlinkat:267:78 chmod:90:- fchmod:91:52 fchmodat:268:53 fchmodat2:452:452 chown:92:- fchown:93:55
lchown:94:- fchownat:260:54 umask:95:166 utime:132:- utimes:235:- futimesat:261:- utimensat:280:88
gettimeofday:96:169 getrlimit:97:163 setrlimit:160:164 prlimit64:302:261 getrusage:98:165 sysinfo:99:179
times:100:153 getuid:102:174 getgid:104:176 geteuid:107:175 getegid:108:177 setpgid:109:154 getpgid:121:155
getppid:110:173 getpgrp:111:- setsid:112:157 getsid:124:156 setuid:105:146 setgid:106:144 setreuid:113:145
setregid:114:143 setresuid:117:147 setresgid:119:149 getresuid:118:148 getresgid:120:150 getgroups:115:158
setgroups:116:159 setfsuid:122:151 setfsgid:123:152 capget:125:90 capset:126:91 statfs:137:43 fstatfs:138:44
getpriority:140:141 setpriority:141:140 sched_getparam:143:121 sched_getscheduler:145:120
sched_get_priority_max:146:125 sched_get_priority_min:147:126 sched_rr_get_interval:148:127
sched_getaffinity:204:123 sched_setaffinity:203:122 sched_getattr:315:275 prctl:157:167 arch_prctl:158:-
gettid:186:178 readahead:187:213 futex:202:98 futex_waitv:449:449 set_tid_address:218:96 set_robust_list:273:99
get_robust_list:274:100 time:201:- timer_create:222:107 timer_settime:223:110 timer_gettime:224:108
timer_getoverrun:225:109 timer_delete:226:111 clock_gettime:228:113 clock_getres:229:114 timerfd_create:283:85
timerfd_settime:286:86 timerfd_gettime:287:87 epoll_create:213:- epoll_create1:291:20 epoll_ctl:233:21
epoll_wait:232:- epoll_pwait:281:22 epoll_pwait2:441:441 eventfd:284:- eventfd2:290:19 signalfd:282:-
signalfd4:289:74 splice:275:76 tee:276:77 copy_file_range:326:285 getrandom:318:278 getcpu:309:168
membarrier:324:283 rseq:334:293 restart_syscall:219:128 seccomp:317:277 close_range:436:436 fadvise64:221:223
getxattr:191:8 lgetxattr:192:9 fgetxattr:193:10 listxattr:194:11 llistxattr:195:12 flistxattr:196:13 setxattr:188:5
lsetxattr:189:6 fsetxattr:190:7 removexattr:197:14 lremovexattr:198:15 fremovexattr:199:16
landlock_create_ruleset:444:444 landlock_add_rule:445:445 landlock_restrict_self:446:446 pkey_alloc:330:289
pkey_free:331:290 pkey_mprotect:329:288
"""

_COLUMNS = {"x86_64": 1, "aarch64": 2}


def allowed_numbers(refused: frozenset[str] = frozenset(), machine: str = MACHINE) -> dict[str, int]:
    """Return the numbers of the allowed calls by name, without those in ``refused``."""
    rows = (entry.split(":") for entry in _TABLE.split())
    column = _COLUMNS[machine]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-" and row[0] not in refused}
