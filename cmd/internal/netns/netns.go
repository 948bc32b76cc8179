// Package netns makes network namespaces for programs of development, and has code run in them. It needs root and iproute2.
package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Add makes a namespace in which IPv6 is off.
func Add(name string) error {
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		return fmt.Errorf("add namespace %s: %w: %s", name, err, out)
	}
	err := In(name, func() error {
		for _, kv := range []string{"net/ipv6/conf/all/disable_ipv6=1", "net/ipv6/conf/default/disable_ipv6=1"} {
			if err := Sysctl(kv); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return errors.Join(err, Drop(name))
	}
	return nil
}

// Drop ends the processes that are left in a namespace that Add has made, servers that went into the background, and deletes it.
func Drop(name string) error {
	for range 20 {
		out, err := exec.Command("ip", "netns", "pids", name).Output()
		if err != nil || len(out) == 0 {
			break
		}
		for _, f := range strings.Fields(string(out)) {
			if pid, err := strconv.Atoi(f); err == nil && pid != os.Getpid() {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
		return fmt.Errorf("delete namespace %s: %w: %s", name, err, out)
	}
	return nil
}

// In runs f on a thread that is in the named namespace: sockets that f opens belong to it, also after f has returned.
// The thread is not used again.
func In(name string, f func() error) error {
	ns, err := os.Open("/run/netns/" + name)
	if err != nil {
		return fmt.Errorf("open namespace: %w", err)
	}
	defer ns.Close()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread with the goroutine
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter namespace %s: %w", name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// Sysctl sets "net/PATH=VALUE" in the namespace of the calling thread.
func Sysctl(kv string) error {
	key, value, _ := strings.Cut(kv, "=")
	if err := os.WriteFile("/proc/sys/"+key, []byte(value), 0); err != nil {
		return fmt.Errorf("set %s: %w", kv, err)
	}
	return nil
}
