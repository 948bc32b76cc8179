package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pcapaudit/capture"
	"pcapaudit/classify"
	"pcapaudit/classify/monitor"
	"pcapaudit/reports"
	"pcapaudit/rules"
)

// liveFlags are the flags of live.
type liveFlags struct {
	interfaces  []string
	promiscuous bool
	rings       int
	ringMiB     int
	program     string
	siteFilter  bool
	conntrack   bool
	serve       serveFlags
	acks        string

	rules      []string
	site       string
	noBaseline bool
	packets    packetFlags
	maxConns   int

	interval    time.Duration
	zone        string
	reports     []string
	connections string
	sign        string
	state       string
	checkpoint  time.Duration
	alerts      alertFlags
	user        string
	length      time.Duration
	sandbox     sandboxMode
}

// periodMark in the name of a report stands for the beginning of its period.
const periodMark = "{period}"

func liveCommand(u *ui) *cobra.Command {
	var f liveFlags
	c := &cobra.Command{
		Use:   "live --interface IF [--rules PACK|FILE]... [--site FILE] [--report FILE]...",
		Short: "Audit the traffic of network interfaces as it passes",
		Long: `live watches interfaces of this machine, judges every connection against the flows of the rule packs, says at
once what is unexpected or missing, and leaves a report behind for every period. It needs Linux and the right
CAP_NET_RAW.

Findings are told as alerts, on standard output unless --alerts names a file, and to --syslog: once each, and
again where they get graver; floods are folded, and what is over is told as resolved. A finding is told when its
outcome is known, at the latest five seconds after its first packet.

--interval cuts the time into periods, aligned to midnight in --zone; each one leaves the reports that --report
names. In a name ` + periodMark + ` stands for the beginning of the period; a name without it always holds the last one.
SIGUSR1 writes the reports of the period so far. Without --report the text of each period goes to standard output.

--state keeps what is known in a file, every --checkpoint: a restart goes on with the period and says what it
did not see. Where the run was killed, connections that were open at the last checkpoint count as they were then, up
to 65,536 of them, or 8,192 of a flood without answers; those that went on may count once more, and those that had no
room leave the result in doubt. The list of --connections then begins anew, which the report says, in a
file of its own where the name has ` + periodMark + `; another --zone holds from the end of that period on. SIGHUP, or a
changed file, loads the rules and the site anew: all of it or, where there is an error, nothing.

An interface that is down, deleted or renamed is not forgotten: the time is blind, which is told, and no flow is
missing because of it. --site-filter has the kernel leave out what nobody judges: packets with no end in the
networks of the site; --filter-program reads another filter, as "tcpdump -ddd EXPRESSION" writes it.

On a gateway that translates addresses, --conntrack learns from the kernel which two sides are one connection.
It is judged once, between the host that opened it and the host that it reached; the other side is out of scope
as translated-leg. It needs the right CAP_NET_ADMIN at the start.

--listen shows a status page, /metrics for Prometheus, /healthz, /readyz, /api/audit (JSON) and /api/findings
(alerts, NDJSON; ?since=EVENT). Nothing can be changed there. An address that other machines reach needs TLS, and a
token or client certificates. An audit for a client is made only where packets can wait for it.

--acknowledge names findings that are known: their alerts are held back until the time given, unless they become
graver. The findings count for the result all the same; --listen shows who acknowledged them.

When all is open the command gives up what it does not need any more (Linux), as --sandbox says; --user gives up
root with it. What is opened again later has to be open to USER: the directories of reports, state and alerts for
writing, packs, site, acknowledgements, certificate and keys for reading.

` + packetHelp[1:] + `

Exit codes: as for audit, of the gravest period; 6 where an interface cannot be watched; 128+n ended by signal n
(after the last report), 0 for SIGTERM under a service manager.`,
		Example: `  # Until Ctrl-C: alerts as they come, then the report.
  pcapaudit live --interface eth0 --site testdata/sites/acronis.yaml

  # One night, with a page of it in the morning.
  pcapaudit live --interface eth0 --site site.yaml --for 8h --report night.html

  # For good: a report a day, and a state that outlives restarts.
  pcapaudit live --interface eth0 --interface eth1 --site site.yaml \
    --interval 24h --zone Europe/Berlin --state /var/lib/pcapaudit/state \
    --report '/var/lib/pcapaudit/{period}.html'

  # Alerts to a file and the graver ones to syslog; a status page.
  pcapaudit live --interface eth0 --site site.yaml --alerts alerts.ndjson \
    --syslog udp:192.0.2.9:514 --syslog-severity high --listen 127.0.0.1:9780`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runLive(c.Context(), u, f) },
	}
	fl := c.Flags()
	fl.StringArrayVarP(&f.interfaces, "interface", "i", nil, "watch the interface `IF`; repeat it for several")
	fl.BoolVar(&f.promiscuous, "promiscuous", false, "take packets that are for other machines too, as on a mirror port")
	fl.IntVar(&f.rings, "rings", 1, "receive each interface through `N` rings, which share its flows")
	fl.IntVar(&f.ringMiB, "ring-size", 32, "memory of each ring, in `MIB`")
	fl.StringVar(&f.program, "filter-program", "", "have the kernel leave out what the program in `FILE` refuses (tcpdump -ddd)")
	fl.BoolVar(&f.siteFilter, "site-filter", false, "have the kernel leave out packets with no end in the site's networks")
	fl.BoolVar(&f.conntrack, "conntrack", false, "join both sides of connections whose addresses this machine translates, as the kernel tells them")
	rulesFlag(c, &f.rules)
	siteFlag(c, &f.site, "which hosts hold which roles")
	fl.BoolVar(&f.noBaseline, "no-baseline", false, "use only the packs that --rules names, or the site binds")
	fl.DurationVar(&f.interval, "interval", 0, "report each period of this `LENGTH`, such as 1h or 24h; 0, the default: one period until the end")
	fl.DurationVar(&f.length, "for", 0, "end after this `TIME`, such as 90m or 8h, with the exit code of what was found; 0, the default: only a signal ends it")
	fl.StringVar(&f.zone, "zone", "UTC", "time `ZONE` of periods and alerts, such as Europe/Berlin")
	completeList(c, "interface", interfaces)
	completeList(c, "zone", zones)
	reportFlag(c, &f.reports)
	fl.StringVar(&f.connections, "connections", "", "write every connection of a period with its verdict to `FILE` (NDJSON, or .csv); "+periodMark+" as in --report")
	signFlag(c, &f.sign)
	fl.StringVar(&f.state, "state", "", "keep what is known in `FILE`, and go on with it after a restart")
	fl.DurationVar(&f.checkpoint, "checkpoint", 30*time.Second, "write the state every `TIME`, of 1s or more")
	f.alerts.register(c)
	fl.StringVar(&f.acks, "acknowledge", "", "leave out alerts about the findings that the YAML `FILE` acknowledges (finding, until, who, text); it is read again when it changes")
	f.serve.register(c)
	fl.StringVar(&f.user, "user", "", "become `USER` when the interfaces are open")
	sandboxFlag(c, &f.sandbox)
	f.packets.register(c)
	_, _ = fl.MarkHidden("since"), fl.MarkHidden("until") // for captures that have ended
	fl.IntVar(&f.maxConns, "max-connections", liveConnections, "most connections tracked at a time, `N` (80 to 144 bytes each)")
	return c
}

// check finds what is wrong with the flags before anything is opened.
func (f *liveFlags) check() error {
	for _, one := range []struct {
		wrong bool
		text  string
	}{
		{len(f.interfaces) == 0, "name an interface to watch with --interface"},
		{f.program != "" && f.siteFilter, "--filter-program and --site-filter exclude each other"},
		{f.siteFilter && f.site == "", "--site-filter needs --site"},
		{f.packets.since != "" || f.packets.until != "", "--since and --until are for captures that have ended"},
		{f.interval != 0 && f.interval < minInterval, fmt.Sprintf("--interval %v: use %v or more, or 0", f.interval, minInterval)},
		{f.length < 0, fmt.Sprintf("--for %v: use a time, or 0", f.length)},
		{f.checkpoint < time.Second, fmt.Sprintf("--checkpoint %v: use 1s or more", f.checkpoint)},
		{f.rings < 1 || f.rings > 64, fmt.Sprintf("--rings %d: use 1 to 64", f.rings)},
		{f.ringMiB < 1 || f.ringMiB > 4096, fmt.Sprintf("--ring-size %d: use 1 to 4096 MiB", f.ringMiB)},
		{f.maxConns < 1, fmt.Sprintf("--max-connections %d: use 1 or more", f.maxConns)},
		{f.user != "" && f.sandbox == sandboxOff, "--user needs the sandbox: leave --sandbox off out"},
		{f.sign != "" && len(f.reports) == 0, "--sign signs reports: name one with --report"},
	} {
		if one.wrong {
			return exitError{exitUsage, errors.New(one.text)}
		}
	}
	if err := f.serve.check(); err != nil {
		return exitError{exitUsage, err}
	}
	return nil
}

// What keeps a gateway in a flood below 256 MiB: the connections that are tracked unless flags say otherwise, twice as many as Linux itself tracks
// by default, and the garbage, as a share in percent of what is in use, from which on it is collected. Most memory is the table's, which is not.
const (
	liveConnections = 1 << 19
	liveGarbage     = 50
)

// minInterval keeps reports apart: writing one takes a moment.
const minInterval = 10 * time.Second

func runLive(parent context.Context, u *ui, f liveFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1) // which would end the program
	zone, err := time.LoadLocation(f.zone)
	if err != nil {
		return misspelt(fmt.Errorf("--zone %q: write an IANA name such as Europe/Paris, or UTC", f.zone), f.zone, zones())
	}
	config := capture.Config{MaxConnections: f.maxConns}
	if err := f.packets.config(&config); err != nil {
		return err
	}
	set, warnings, err := u.ruleSet(f.ruleFlags())
	if err != nil {
		return err
	}
	watch := capture.LiveConfig{Interfaces: f.interfaces, Promiscuous: f.promiscuous, Rings: f.rings, RingBytes: f.ringMiB << 20}
	if watch.Program, watch.ProgramText, err = f.kernelFilter(set); err != nil {
		return err
	}
	if f.conntrack {
		if watch.Translations, err = capture.OpenTranslations(); err != nil {
			return exitError{exitCapture, fmt.Errorf("--conntrack: %w", err)}
		}
		defer watch.Translations.Close()
	}
	acks, err := newAckLoader(u, f.acks)
	if err != nil {
		return err
	}
	serve, err := openServe(u, &f.serve)
	if err != nil {
		return err
	}
	defer serve.close()
	l, err := newLiveRun(u, f, zone, set, signals)
	if err != nil {
		return err
	}
	defer l.release()
	l.serve, l.acks = serve, acks
	l.program = watch.ProgramText
	ctx, stop := u.interruptible(parent, l.abandon)
	defer stop()
	if f.length > 0 {
		var enough context.CancelFunc
		ctx, enough = context.WithTimeout(ctx, f.length)
		defer enough()
	}
	defer debug.SetGCPercent(debug.SetGCPercent(liveGarbage))
	l.mon = monitor.New(set, warnings, time.Now().UnixNano(), monitor.Options{Tool: thisTool, Invocation: f.invocation(), Filter: config.Filter,
		Interval: int64(f.interval), Zone: zone, HeartbeatEvery: int64(f.alerts.heartbeat), Alert: l.alert, Open: l.eachOpen, OnJudged: l.judged, Report: l.reportForAlerts})
	config.Emit, config.Young = l.mon.Observe, l.mon.Young
	config.Learn.Name, config.Learn.Announcement = l.mon.LearnName, l.mon.LearnAnnouncement
	watch.Opened, watch.Tick = l.begin, l.tick
	result, err := capture.Live(ctx, config, watch)
	return l.end(result, err)
}

// ruleFlags are those that choose packs and site.
func (f *liveFlags) ruleFlags() auditFlags {
	return auditFlags{rules: f.rules, site: f.site, noBaseline: f.noBaseline}
}

func (f *liveFlags) invocation() *classify.Invocation {
	p := &f.packets
	v := &classify.Invocation{Captures: []string{}, Rules: kept(f.rules), NoBaseline: f.noBaseline, Nets: kept(p.nets), Hosts: kept(p.hosts), Ports: kept(p.ports),
		Key: kept(p.key), Dedup: p.dedup, TunnelPorts: kept(p.tunnelPorts), MaxConnections: f.maxConns, Hash: "none"}
	for _, name := range f.interfaces {
		v.Captures = append(v.Captures, "live "+name)
	}
	return v
}

// maxProgramFile bounds a filter program: 4096 instructions of at most 30 characters.
const maxProgramFile = 128 << 10

// kernelFilter is the program that the flags ask for, and what reports say of it; nil where there is none.
func (f *liveFlags) kernelFilter(set *rules.Set) ([]capture.FilterInstruction, string, error) {
	switch {
	case f.program != "":
		data, err := readBounded(f.program, maxProgramFile)
		if err != nil {
			return nil, "", exitError{exitUsage, fmt.Errorf("--filter-program: %w", err)}
		}
		program, err := capture.ParseFilterProgram(string(data))
		if err != nil {
			return nil, "", exitError{exitUsage, hint(fmt.Errorf("--filter-program %s: %w", f.program, err), "write it with: tcpdump -ddd EXPRESSION > %s", reports.Clean(f.program))}
		}
		return program, "program " + f.program, nil
	case f.siteFilter:
		networks := set.Judged()
		var tunnels []capture.TunnelPort
		for _, text := range f.packets.tunnelPorts {
			p, _ := capture.ParseTunnelPort(text) // config has looked at it
			tunnels = append(tunnels, p)
		}
		program, text := capture.NetworkProgram(networks, tunnels)
		if program == nil {
			return nil, "", exitError{exitUsage, hint(fmt.Errorf("--site-filter: %d networks are too many for a program", len(networks)), "leave it out, or write a program of your own for --filter-program")}
		}
		return program, text, nil
	}
	return nil, "", nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > limit {
		return nil, fmt.Errorf("%s is no regular file of at most %d KiB", path, limit>>10)
	}
	return os.ReadFile(path)
}

// worse gives the graver of two exit codes.
func worse(a, b int) int {
	return precedence[min(slices.Index(precedence, a), slices.Index(precedence, b))]
}
