// Command record makes the captures of testdata: it builds a small network of namespaces without any uplink, lets real software
// and real TCP/IP stacks talk in it, and captures every frame on the bridge between them. It needs root, iproute2, nftables and
// dumpcap, and the servers that testdata/README.md names.
//
//	go run ./cmd/internal/record -out testdata/captures [WINDOW...]
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// windowLimit bounds one window, setting up and taking down included.
const windowLimit = 90 * time.Second

// pace lies between two actions where a window names no other, so that it lasts some seconds.
const pace = 60 * time.Millisecond

func main() {
	// Servers die with the thread that started them. This one lives to the end, and enters no namespace.
	runtime.LockOSThread()
	out := flag.String("out", "testdata/captures", "directory for captures and their lists of planted faults")
	verbose := flag.Bool("v", false, "show what the servers print")
	flag.Parse()
	if err := run(*out, flag.Args(), *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func run(out string, names []string, verbose bool) error {
	if os.Geteuid() != 0 {
		return errors.New("make network namespaces: not root; run it as root on a machine kept for development")
	}
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	for _, w := range chosen {
		if err := record(ctx, w, out, verbose); err != nil {
			return fmt.Errorf("record %s: %w", w.name, err)
		}
	}
	return nil
}

func choose(names []string) ([]*window, error) {
	all := windows()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []*window
	for _, name := range names {
		i := slices.IndexFunc(all, func(w *window) bool { return w.name == name })
		if i < 0 {
			known := ""
			for _, w := range all {
				known += " " + w.name
			}
			return nil, fmt.Errorf("window %q is unknown; known:%s", name, known)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// record plays one window and writes NAME.pcapng, and NAME.expect.yaml for a window with planted faults. A file appears only when whole.
func record(ctx context.Context, w *window, out string, verbose bool) (err error) {
	ctx, cancel := context.WithTimeout(ctx, windowLimit)
	defer cancel()
	start := time.Now()
	l, err := newLab(ctx, w.hosts, verbose)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()

	for _, s := range w.services {
		if err := s.start(l); err != nil {
			return fmt.Errorf("start %s: %w", s, err)
		}
	}
	for _, a := range w.before {
		if err := a.do(l); err != nil {
			return fmt.Errorf("before the capture: %s: %w", a, err)
		}
	}
	raw := filepath.Join(l.dir, w.name+".pcapng")
	d, err := l.capture(raw)
	if err != nil {
		return err
	}
	for _, a := range w.actions {
		l.sleep(cmp.Or(w.pace, pace))
		if err := a.do(l); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", a, err), d.stop())
		}
	}
	if err := d.stop(); err != nil {
		return err
	}
	size, err := publish(raw, filepath.Join(out, w.name+".pcapng"))
	if err != nil {
		return err
	}
	if err := writeExpect(w, out); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%-22s %4d packets %6d bytes %5.1fs\n", w.name, d.packets, size, time.Since(start).Seconds())
	return nil
}
