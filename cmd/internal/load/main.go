// Command load measures `pcapaudit live` under load. It makes two network namespaces of its own with a pair of interfaces between them, sends through
// the pair, and watches the other end; no other address takes part. It needs root and iproute2, and for rates tcpdump, argus and ra.
//
//	go build -o /tmp/pcapaudit ./cmd/pcapaudit
//	go run ./cmd/internal/load rates -pcapaudit /tmp/pcapaudit
//	go run ./cmd/internal/load flood -pcapaudit /tmp/pcapaudit
//	go run ./cmd/internal/load soak  -pcapaudit /tmp/pcapaudit -duration 1h
//
// rates finds for pcapaudit, argus, tcpdump and a bare counter the highest rate at which the kernel drops nothing, and checks that beyond it the
// ledgers of pcapaudit balance. flood sends millions of SYN packets of different ends while real sessions run, and checks that each session is judged
// right in bounded memory. soak sends for long, with the interface going down and rules changing, and says whether memory, threads and open files stay
// flat. Exit code 1 means a ledger that does not balance, a verdict that is wrong or a limit that was passed; a rate never fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func main() {
	// The programs that are watched die with the thread that started them. This one lives to the end, and enters no namespace.
	runtime.LockOSThread()
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	commands := map[string]func(context.Context, *flag.FlagSet, []string) error{"rates": rates, "flood": flood, "soak": soak, "count": count}
	if len(args) == 0 || commands[args[0]] == nil {
		return errors.New("usage: load rates|flood|soak [flags]    (-h lists them)")
	}
	if os.Geteuid() != 0 {
		return errors.New("make network namespaces: not root; run it as root on a machine kept for development")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return commands[args[0]](ctx, flag.NewFlagSet("load "+args[0], flag.ExitOnError), args[1:])
}
