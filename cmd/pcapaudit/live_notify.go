package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pcapaudit/capture"
	"pcapaudit/reports"
)

// notifier tells a service manager how the program is, as sd_notify(3) and sd_watchdog_enabled(3) describe it. The zero value tells nobody. Its
// methods run in the goroutine of the capture and never wait: what the manager has no room for is sent again with the next tick, a state only
// where no later one has taken its place.
//
// The socket is opened once, while the program still may, and held. The manager ends a service whose pings stay away, and only tick sends them:
// a packet loop that stalls is ended, whatever other goroutines do.
type notifier struct {
	manager   *net.UnixConn // nil: nobody asked
	every     time.Duration // between two pings; 0: none were asked for
	clock     func() time.Duration
	state     string // not sent yet; "": none
	pinged    time.Duration
	told      time.Duration // when the status was
	reloading bool
}

// States of a service.
const (
	stateReady     = "READY=1"
	stateReloading = "RELOADING=1"
	stateStopping  = "STOPPING=1"
)

// statusEvery is the time between two lines of status.
const statusEvery = 10 * time.Second

// openNotifier takes the variables NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which the service manager sets.
func openNotifier(getenv func(string) string, clock func() time.Duration) (notifier, error) {
	name := getenv("NOTIFY_SOCKET") // a path or, with @, an abstract name
	if name == "" {
		return notifier{}, nil
	}
	manager, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return notifier{}, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	n := notifier{manager: manager, clock: clock}
	if pid := getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if microseconds, err := strconv.ParseUint(getenv("WATCHDOG_USEC"), 10, 42); err == nil {
			n.every = time.Duration(microseconds) * time.Microsecond / 2
		}
	}
	return n, nil
}

// ready says that the interfaces are being watched; the manager's watchdog begins to run.
func (n *notifier) ready(status string) {
	if n.open() {
		n.pinged, n.told = n.clock(), n.clock()
		n.become(stateReady, "STATUS="+status)
	}
}

// reload says that rules are being loaded.
func (n *notifier) reload() {
	n.reloading = true
	n.become(stateReloading)
}

// reloaded ends what reload began.
func (n *notifier) reloaded() {
	n.reloading = false
	n.become(stateReady)
}

// stop says that the last reports are being written.
func (n *notifier) stop() { n.become(stateStopping, "STATUS=writing the last reports") }

func (n *notifier) become(state string, lines ...string) {
	n.state = state
	if n.send(append(lines, state)...) {
		n.state = ""
	}
}

// tick is called as long as the packet loop runs. status is called where it is told.
func (n *notifier) tick(status func() string) {
	if !n.open() {
		return
	}
	now := n.clock()
	ping, tell := n.every > 0 && now-n.pinged >= n.every, now-n.told >= statusEvery
	var lines []string
	if n.state != "" {
		lines = append(lines, n.state)
	}
	if ping {
		lines = append(lines, "WATCHDOG=1")
	}
	if tell {
		lines = append(lines, "STATUS="+status())
	}
	if len(lines) == 0 || !n.send(lines...) {
		return
	}
	n.state = ""
	if ping {
		n.pinged = now
	}
	if tell {
		n.told = now
	}
}

// send sends one message; false where it could not be sent.
func (n *notifier) send(lines ...string) bool {
	if !n.open() {
		return false
	}
	raw, err := n.manager.SyscallConn()
	if err != nil {
		return false
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		_, failed = syscall.Write(int(fd), []byte(strings.Join(lines, "\n")))
		return true // also where it would have to wait
	})
	return err == nil && failed == nil
}

// open is true where a service manager wants to be told.
func (n *notifier) open() bool { return n.manager != nil }

func (n *notifier) close() {
	if n.open() {
		n.manager.Close()
	}
}

// status is a line on what is watched.
func (l *liveRun) status(r *capture.Result) string {
	var delivered, dropped uint64
	var blind string
	for i := range r.Live {
		in := &r.Live[i]
		delivered += in.Delivered
		dropped += in.Dropped
		if in.State != capture.LinkUp {
			blind += in.Name + " is " + in.State.String() + "; "
		}
	}
	return reports.Clean(fmt.Sprintf("%swatching %s: %d packets read, %d dropped since the period or its rules began", blind, strings.Join(l.flags.interfaces, ", "), delivered, dropped))
}
