//go:build amd64 || arm64

package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// refused are system calls that fail with EPERM whatever their arguments. It is a list of what is refused, not of what is allowed: what the Go runtime
// needs moves from release to release.
var refused = []uint32{
	// other programs and processes
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_PROCESS_MRELEASE,
	unix.SYS_KCMP, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_TKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES,
	unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMCTL, unix.SYS_MSGGET, unix.SYS_MSGSND, unix.SYS_MSGRCV, unix.SYS_MSGCTL,
	unix.SYS_SEMGET, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP, unix.SYS_SEMCTL, unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK,
	// namespaces and mounts
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK,
	unix.SYS_MOUNT_SETATTR, unix.SYS_OPEN_TREE_ATTR, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
	// what Landlock leaves open of files
	unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT, unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR,
	unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR, unix.SYS_SETXATTRAT, unix.SYS_REMOVEXATTRAT, unix.SYS_FILE_SETATTR, unix.SYS_TRUNCATE, unix.SYS_MKNODAT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_FANOTIFY_INIT,
	// large surfaces of the kernel
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_PERSONALITY,
	// the machine
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT,
	unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	unix.SYS_VHANGUP,
}

// refusedOnAMD64 are the calls that only amd64 has: fork and vfork; chmod, chown, lchown, utime, mknod, utimes and futimesat; uselib, modify_ldt, _sysctl, iopl and ioperm.
var refusedOnAMD64 = []uint32{57, 58, 90, 92, 94, 132, 133, 235, 261, 134, 154, 156, 172, 173}

// x32 is set in the numbers of calls of another convention of amd64.
const x32 = 1 << 30

// limitCalls has the kernel refuse system calls that are not in the plan, in all threads.
func limitCalls(p *Plan) error { return load(callFilter(p)) }

// callFilter is the program that does.
func callFilter(p *Plan) filter {
	arch, calls := uint32(unix.AUDIT_ARCH_AARCH64), refused
	if runtime.GOARCH == "amd64" {
		arch, calls = unix.AUDIT_ARCH_X86_64, slices.Concat(refused, refusedOnAMD64)
	}
	f := filter{loadWord(offsetArch), bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1}, refuse, // a call of another processor, such as int 0x80
		loadWord(offsetCall), bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32, SkipTrue: 1}, refuse}
	for _, call := range calls {
		f.when(call, refuse)
	}
	f.when(unix.SYS_CLONE3, bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}) // its flags lie in memory; C libraries then use clone
	f.when(unix.SYS_CLONE, loadArgument(0), bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.CLONE_THREAD, SkipTrue: 1}, refuse, allow)
	self := uint32(os.Getpid())
	f.only(unix.SYS_KILL, 0, self)
	f.only(unix.SYS_TGKILL, 0, self)
	f.only(unix.SYS_PRLIMIT64, 0, 0, self)
	f.neither(unix.SYS_IOCTL, 1, bpf.JumpEqual, unix.TIOCSTI, unix.TIOCLINUX) // would type into the terminal
	for _, call := range []uint32{unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT} {
		f.neither(call, 2, bpf.JumpBitsSet, unix.PROT_EXEC)
	}
	f.sockets(p)
	return append(f, allow)
}

// sockets lets those of the plan be opened. Protocols that Landlock does not look at (multipath TCP, SCTP) are none of them, nor is data in a SYN, which goes past connect.
func (f *filter) sockets(p *Plan) {
	var families []uint32
	if p.Local {
		families = append(families, unix.AF_UNIX)
	}
	if p.Keep != 0 {
		families = append(families, unix.AF_NETLINK)
	}
	if p.Keep&Packets != 0 {
		families = append(families, unix.AF_PACKET)
	}
	f.only(unix.SYS_SOCKETPAIR, 0, families...)
	internet := []bpf.Instruction{refuse}
	if len(p.Connect) > 0 {
		internet = append([]bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_INET, SkipTrue: 2}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_INET6, SkipTrue: 1}, refuse},
			among(2, unix.IPPROTO_IP, unix.IPPROTO_TCP, unix.IPPROTO_UDP)...)
		f.neither(unix.SYS_SENDTO, 3, bpf.JumpBitsSet, unix.MSG_FASTOPEN)
		f.neither(unix.SYS_SENDMSG, 2, bpf.JumpBitsSet, unix.MSG_FASTOPEN)
		f.neither(unix.SYS_SENDMMSG, 3, bpf.JumpBitsSet, unix.MSG_FASTOPEN)
	}
	simple := among(0, families...)
	f.when(unix.SYS_SOCKET, append(simple[:len(simple)-1], internet...)...)
}

// filter is a program over seccomp_data (linux/seccomp.h).
type filter []bpf.Instruction

// Offsets in seccomp_data.
const (
	offsetCall      = 0
	offsetArch      = 4
	offsetArguments = 16 // 8 bytes each
)

var (
	allow  = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	refuse = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
)

func loadWord(offset uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: offset, Size: 4} }

// loadArgument loads the low word of an argument, which holds all that is asked about; the processors known are little-endian.
func loadArgument(n uint32) bpf.Instruction { return loadWord(offsetArguments + 8*n) }

// when runs then, which has to return, for one call.
func (f *filter) when(call uint32, then ...bpf.Instruction) {
	*f = append(append(*f, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: uint8(len(then))}), then...)
}

// only allows a call with these values of an argument.
func (f *filter) only(call, argument uint32, values ...uint32) {
	f.when(call, among(argument, values...)...)
}

// among allows these values of an argument and, last, refuses the others.
func among(argument uint32, values ...uint32) []bpf.Instruction {
	list := []bpf.Instruction{loadArgument(argument)}
	for _, v := range values {
		list = append(list, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: v, SkipTrue: 1}, allow)
	}
	return append(list, refuse)
}

// neither refuses a call for which the test of an argument holds with any of the values.
func (f *filter) neither(call, argument uint32, test bpf.JumpTest, values ...uint32) {
	list := []bpf.Instruction{loadArgument(argument)}
	for _, v := range values {
		list = append(list, bpf.JumpIf{Cond: test, Val: v, SkipFalse: 1}, refuse)
	}
	f.when(call, append(list, allow)...)
}

// load gives a program to the kernel, for all threads.
func load(f filter) error {
	raw, err := bpf.Assemble(f)
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	given := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&given)))
	runtime.KeepAlive(code)
	switch {
	case errno != 0:
		return fmt.Errorf("the kernel takes no filter of system calls: %w", errno)
	case thread != 0:
		return fmt.Errorf("the kernel takes no filter of system calls for thread %d", thread)
	}
	return nil
}
