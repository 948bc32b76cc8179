//go:build amd64 || arm64

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// insideMark as first argument has the test binary run a scenario: what is given up is given up for good, so each needs a process of its own.
const insideMark = "in-the-sandbox"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == insideMark {
		inside(os.Args[2], os.Args[3:])
		return
	}
	os.Exit(m.Run())
}

// trial is something to do in the sandbox, and what has to come of it.
type trial struct {
	want error // the number behind the error
	what string
	do   func() error
}

// What comes of trials: refused by Landlock, and by the filter of system calls.
const (
	noFile = unix.EACCES
	noCall = unix.EPERM
)

// inside enters a sandbox and prints what came of it, and of trials only what is wrong. It ends when standard input does.
func inside(scenario string, args []string) {
	park(8)
	plan, trials := scenarios[scenario](args)
	e, err := Enter(plan)
	fmt.Printf("error %v\n%v\n", err, e)
	if err == nil {
		park(8)
		fmt.Printf("%d trials\n", len(trials))
		for _, t := range trials {
			if got := number(t.do()); got != t.want {
				fmt.Printf("%s: %v, want %v\n", t.what, got, t.want)
			}
		}
	}
	fmt.Println("done")
	io.Copy(io.Discard, os.Stdin)
}

// park keeps n threads.
func park(n int) {
	ready := make(chan bool)
	for range n {
		go func() {
			runtime.LockOSThread()
			ready <- true
			select {}
		}()
	}
	for range n {
		<-ready
	}
}

// number is the errno behind an error, if there is one.
func number(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

var scenarios = map[string]func(args []string) (Plan, []trial){
	"offline":     offline,
	"connect":     connecting,
	"user":        watching,
	"no landlock": masked(unix.SYS_LANDLOCK_CREATE_RULESET),
	"no filter":   masked(unix.SYS_SECCOMP),
	"become":      func(args []string) (Plan, []trial) { return Plan{User: args[0]}, nil },
}

// masked has the kernel answer as one that does not know a system call.
func masked(call uint32) func([]string) (Plan, []trial) {
	return func(args []string) (Plan, []trial) {
		f := filter{loadWord(offsetCall)}
		f.when(call, bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := errors.Join(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), load(append(f, allow))); err != nil {
			panic(err)
		}
		return Plan{Strict: args[0] == "strict"}, nil
	}
}

func socket(family, kind, protocol int) func() error {
	return func() error {
		fd, err := unix.Socket(family, kind, protocol)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
}

// call makes a system call whose arguments are 0 but the first.
func call(number, first uintptr) func() error {
	return func() error {
		r, _, errno := unix.RawSyscall6(number, first, 0, 0, 0, 0, 0)
		if errno != 0 {
			return errno
		}
		if number == unix.SYS_CLONE && r == 0 {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
		return nil
	}
}

func dial(network, addr string) func() error {
	return func() error { _, err := net.DialTimeout(network, addr, time.Second); return err }
}

func listen(multipath bool) func() error {
	return func() error {
		var c net.ListenConfig
		c.SetMultipathTCP(multipath)
		_, err := c.Listen(context.Background(), "tcp", "127.0.0.1:0")
		return err
	}
}

// offline is what the commands that read captures do. The directory named holds in, out, made and other.
func offline(args []string) (Plan, []trial) {
	dir, listener := args[0], args[1]
	at := func(name string) string { return filepath.Join(dir, name) }
	trials := append(allowedFiles(at), refusedFiles(at)...)
	trials = append(append(trials, allowedCalls...), refusedCalls...)
	trials = append(trials, []trial{
		{noCall, "connect, TCP", dial("tcp", listener)},
		{noCall, "connect, UDP", dial("udp", listener)},
		{noCall, "connect, local", dial("unix", at("made/socket"))},
		{noCall, "listen", listen(false)},
		{noCall, "listen with multipath TCP", listen(true)},
		{noCall, "mount", func() error { return unix.Mount("none", at("made"), "tmpfs", 0, "") }},
	}...)
	return Plan{Read: []string{at("in"), at("missing")}, Name: []string{at("out")}, Write: []string{at("made")}, Strict: true}, trials
}

func allowedFiles(at func(string) string) []trial {
	open, err := os.OpenFile(at("out/.audit.tmp"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		panic(err)
	}
	return []trial{
		{nil, "read an input", func() error { _, err := os.ReadFile(at("in/capture")); return err }},
		{nil, "list inputs", func() error { _, err := os.ReadDir(at("in")); return err }},
		{nil, "look at another file", func() error { _, err := os.Stat(at("other/secret")); return err }},
		{nil, "write an output", func() error { _, err := open.WriteString("x"); return errors.Join(err, open.Sync(), open.Truncate(0)) }},
		{nil, "name it", func() error { return os.Rename(at("out/.audit.tmp"), at("out/audit.json")) }},
		{nil, "sync its directory", func() error {
			d, err := os.Open(at("out"))
			if err != nil {
				return err
			}
			return d.Sync()
		}},
		{nil, "remove it", func() error { return os.Remove(at("out/audit.json")) }},
		{nil, "make a file", write(at("made/new"), os.O_CREATE|os.O_EXCL)},
		{nil, "write it anew", write(at("made/new"), os.O_TRUNC)},
		{nil, "rename it", func() error { return os.Rename(at("made/new"), at("made/newer")) }},
	}
}

func write(path string, flags int) func() error {
	return func() error {
		f, err := os.OpenFile(path, os.O_WRONLY|flags, 0o600)
		if err == nil {
			_, err = f.WriteString("x")
			err = errors.Join(err, f.Sync(), f.Close())
		}
		return err
	}
}

func refusedFiles(at func(string) string) []trial {
	read := func(path string) func() error { return func() error { _, err := os.ReadFile(path); return err } }
	return []trial{
		{noFile, "read another file", read(at("other/secret"))},
		{noFile, "read accounts", read("/etc/passwd")},
		{noFile, "read its own status", read("/proc/self/status")},
		{noFile, "list another directory", func() error { _, err := os.ReadDir(at("other")); return err }},
		{noFile, "write an input", write(at("in/capture"), 0)},
		{noFile, "make a file beside inputs", write(at("in/new"), os.O_CREATE)},
		{noFile, "make a file elsewhere", write(at("other/new"), os.O_CREATE)},
		{noFile, "read beside outputs", read(at("out/old"))},
		{noFile, "write beside outputs", write(at("out/old"), 0)},
		{noFile, "make a file beside outputs", write(at("out/new"), os.O_CREATE)},
		{noFile, "remove elsewhere", func() error { return os.Remove(at("other/secret")) }},
		{noFile, "move out", func() error { return os.Rename(at("made/newer"), at("other/newer")) }},
		{noFile, "make a directory", func() error { return os.Mkdir(at("made/dir"), 0o700) }},
		{noFile, "make a link", func() error { return os.Symlink("/etc", at("made/link")) }},
		{noCall, "cut", func() error { return os.Truncate(at("other/secret"), 0) }},
		{noCall, "change a mode", func() error { return os.Chmod(at("other/secret"), 0o777) }},
		{noCall, "change an owner", func() error { return os.Chown(at("other/secret"), os.Getuid(), os.Getgid()) }},
		{noCall, "change a time", func() error { return os.Chtimes(at("other/secret"), time.Time{}, time.Unix(0, 0)) }},
	}
}

func mapped(protection int) func() error {
	return func() error {
		_, err := unix.Mmap(-1, 0, 4096, protection, unix.MAP_PRIVATE|unix.MAP_ANON)
		return err
	}
}

func terminal(request uintptr) func() error {
	return func() error {
		var b [8]byte
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, 0, request, uintptr(unsafe.Pointer(&b)))
		return errno
	}
}

var allowedCalls = []trial{
	{nil, "many threads and garbage", func() error { park(64); runtime.GC(); return nil }},
	{nil, "map memory", mapped(unix.PROT_READ | unix.PROT_WRITE)},
	{nil, "signal itself", func() error { return unix.Kill(os.Getpid(), 0) }},
	{nil, "own limits", func() error { var l unix.Rlimit; return unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &l) }},
	{unix.ENOTTY, "size of a terminal", terminal(unix.TIOCGWINSZ)}, // a pipe is none
}

var refusedCalls = []trial{
	{noCall, "execute", func() error { _, err := syscall.ForkExec("/bin/true", []string{"true"}, nil); return err }},
	{noCall, "execute in place", func() error { return syscall.Exec("/bin/true", []string{"true"}, nil) }},
	{noCall, "fork", call(unix.SYS_CLONE, uintptr(unix.SIGCHLD))},
	{noCall, "fork into a user namespace", call(unix.SYS_CLONE, uintptr(unix.SIGCHLD)|unix.CLONE_NEWUSER)},
	{unix.ENOSYS, "clone3", call(unix.SYS_CLONE3, 0)},
	{noCall, "user namespace", func() error { return unix.Unshare(unix.CLONE_NEWUSER) }},
	{noCall, "trace", call(unix.SYS_PTRACE, unix.PTRACE_TRACEME)},
	{noCall, "another's memory", call(unix.SYS_PROCESS_VM_READV, uintptr(os.Getppid()))},
	{noCall, "another's limits", func() error { return unix.Prlimit(os.Getppid(), unix.RLIMIT_NOFILE, nil, nil) }},
	{noCall, "signal another", func() error { return unix.Kill(os.Getppid(), 0) }},
	{noCall, "signal all", func() error { return unix.Kill(-1, 0) }},
	{noCall, "load a module", call(unix.SYS_FINIT_MODULE, 0)},
	{noCall, "another kernel", call(unix.SYS_KEXEC_LOAD, 0)},
	{noCall, "bpf", call(unix.SYS_BPF, 0)},
	{noCall, "perf", call(unix.SYS_PERF_EVENT_OPEN, 0)},
	{noCall, "keys", call(unix.SYS_KEYCTL, 0)},
	{noCall, "page faults", call(unix.SYS_USERFAULTFD, 0)},
	{noCall, "io_uring", call(unix.SYS_IO_URING_SETUP, 1)},
	{noCall, "type into the terminal", terminal(unix.TIOCSTI)},
	{noCall, "map code", mapped(unix.PROT_READ | unix.PROT_EXEC)},
	{noCall, "packet socket", socket(unix.AF_PACKET, unix.SOCK_RAW, 0)},
	{noCall, "route socket", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)},
}

// connecting may reach one port.
func connecting(args []string) (Plan, []trial) {
	port, _ := strconv.ParseUint(args[0], 10, 16)
	return Plan{Connect: []uint16{uint16(port)}, Strict: true}, []trial{
		{nil, "the port", dial("tcp", "127.0.0.1:"+args[0])},
		{nil, "the port, UDP", dial("udp", "127.0.0.1:"+args[0])},
		{noFile, "another port", dial("tcp", "127.0.0.1:"+args[1])},
		{noFile, "listen", listen(false)},
		{noFile, "listen with multipath TCP", listen(true)},
		{noCall, "multipath TCP", socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)},
		{noCall, "SCTP", socket(unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_SCTP)},
		{noCall, "local", socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)},
		{noCall, "data in the SYN", func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err == nil {
				err = unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}})
			}
			return err
		}},
	}
}

// watching is another user who may still open packet sockets, and Unix ones.
func watching(args []string) (Plan, []trial) {
	return Plan{User: args[0], Keep: Packets | Translations, Local: true, Strict: true}, []trial{
		{nil, "packet socket", socket(unix.AF_PACKET, unix.SOCK_RAW, 0)},
		{nil, "route socket", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)},
		{nil, "local socket", socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)},
		{noCall, "internet socket", socket(unix.AF_INET, unix.SOCK_STREAM, 0)},
		{unix.EPERM, "be root again", func() error { return syscall.Setuid(0) }},
		{unix.EPERM, "be in root's group again", func() error { return syscall.Setgroups([]int{0}) }},
	}
}
