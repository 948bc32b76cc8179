package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// Enter limits this process, all its threads of now and later, to the plan. It is called once, when what lies outside the plan is open. What the
// kernel cannot enforce is in the result; with Plan.Strict it is an error too. Where there is an error the process may be limited in part: it should end.
func Enter(p Plan) (Enforced, error) {
	var e Enforced
	if p.User != "" {
		if err := become(p.User, p.Keep); err != nil {
			return nil, fmt.Errorf("becoming user %s: %w", p.User, err)
		}
		e.add(User, nil)
	}
	e.add(Capabilities, limitCapabilities(p.Keep))
	e.add(NoNewPrivileges, errnoError(psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)))
	files, ports := limitFiles(&p)
	if len(p.Connect) == 0 {
		ports = nil // there are no sockets
	}
	calls := limitCalls(&p)
	e.add(Files, files)
	e.add(Network, cmp.Or(calls, ports))
	e.add(SystemCalls, calls)
	return e, p.judge(e)
}

func errnoError(_, _ uintptr, errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// become changes user and group, and leaves the supplementary groups behind. Capabilities survive it where some are kept.
func become(name string, keep Right) error {
	account, err := user.Lookup(name)
	if err != nil {
		if account, err = user.LookupId(name); err != nil {
			return errors.New("there is no such user")
		}
	}
	uid, errUID := strconv.Atoi(account.Uid)
	gid, errGID := strconv.Atoi(account.Gid)
	switch {
	case errUID != nil || errGID != nil:
		return fmt.Errorf("its numbers are %q and %q", account.Uid, account.Gid)
	case uid == 0:
		return errors.New("that is root: name an account without rights")
	case uid == os.Getuid() && uid == os.Geteuid():
		return nil
	}
	if keep != 0 {
		if err := errnoError(psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1, 0, 0, 0, 0)); err != nil {
			return err
		}
	}
	err = syscall.Setgroups(nil)
	if err == nil {
		err = syscall.Setgid(gid)
	}
	if err == nil {
		err = syscall.Setuid(uid)
	}
	if err != nil {
		return fmt.Errorf("only root can: %w", err)
	}
	return nil
}

// limitCapabilities leaves those that are kept and at hand. The bounding set stays: with no_new_privs and without execve it gives nothing.
func limitCapabilities(keep Right) error {
	var mask uint32
	if keep&Packets != 0 {
		mask |= 1 << unix.CAP_NET_RAW
	}
	if keep&Translations != 0 {
		mask |= 1 << unix.CAP_NET_ADMIN
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData // capabilities 0 to 31, and above
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	mask &= sets[0].Permitted
	sets = [2]unix.CapUserData{{Effective: mask, Permitted: mask}}
	return errnoError(psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets[0])), 0))
}

// Rights of Landlock.
const (
	readFiles = ll.AccessFSReadFile | ll.AccessFSReadDir
	nameFiles = ll.AccessFSReadDir | ll.AccessFSMakeReg | ll.AccessFSRemoveFile
	makeFiles = readFiles | nameFiles | ll.AccessFSWriteFile | ll.AccessFSTruncate
	fileOnly  = ll.AccessFSReadFile | ll.AccessFSWriteFile | ll.AccessFSTruncate
)

// limitFiles has Landlock hold the plan's files and ports. Signals and Unix sockets are the system call filter's, too.
func limitFiles(p *Plan) (files, ports error) {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil {
		err = errors.New("the kernel has no Landlock, or it is not enabled")
		return err, err
	}
	rules := append(pathRules(p.Read, readFiles), pathRules(p.Name, nameFiles)...)
	rules = append(rules, pathRules(p.Write, makeFiles)...)
	for _, port := range p.Connect {
		rules = append(rules, landlock.ConnectTCP(port), landlock.ConnectSendUDP(port))
	}
	if len(p.Connect) > 0 {
		rules = append(rules, landlock.BindUDP(0)) // the port that the kernel gives a socket that sends
	}
	config := landlock.V11
	if p.Local {
		config.HandledAccessFS &^= ll.AccessFSResolveUnix
		config.Scoped &^= ll.ScopeAbstractUnixSocket
	}
	if err := config.BestEffort().Restrict(rules...); err != nil {
		err = fmt.Errorf("the rules of Landlock: %w", err)
		return err, err
	}
	if abi < 3 {
		files = fmt.Errorf("the kernel's Landlock %d cannot keep files from being cut: 3 does (Linux 6.2)", abi)
	}
	if abi < 4 {
		ports = fmt.Errorf("the kernel's Landlock %d cannot tell ports: 4 does (Linux 6.7)", abi)
	}
	return files, ports
}

// pathRules allow access to the paths that are there. Pipes and sockets without a place in a file system need no rule, and take none.
func pathRules(paths []string, access landlock.AccessFSSet) []landlock.Rule {
	var rules []landlock.Rule
	for _, path := range paths {
		var fs unix.Statfs_t
		st, err := os.Stat(path)
		switch {
		case err != nil || unix.Statfs(path, &fs) != nil || fs.Type == unix.PIPEFS_MAGIC || fs.Type == unix.SOCKFS_MAGIC:
		case st.IsDir():
			rules = append(rules, landlock.PathAccess(access, path).IgnoreIfMissing())
		default:
			rules = append(rules, landlock.PathAccess(access&fileOnly, path).IgnoreIfMissing())
		}
	}
	return rules
}
