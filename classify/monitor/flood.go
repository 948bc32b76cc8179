package monitor

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

// Limits of floods.
const (
	floodEach    = 8  // findings of one originator, verdict and severity that are told one by one in a window
	floodAll     = 64 // the same, of all originators together
	floodWindow  = int64(10 * time.Second)
	longestFlood = int64(time.Hour) // windows double up to this while the flood goes on

	maxFloods        = 1 << 12 // originators with a window; further ones count with all others
	maxFloodHosts    = 1 << 12 // different originators or responders that are counted in one window
	maxAllFloodHosts = 1 << 16 // the same, of all windows together
	maxFloodServices = 8
)

// floodKey is what is folded together. An originator that is not valid is all that have no window of their own.
type floodKey struct {
	orig              netip.Addr
	verdict, severity string
}

func compareFloods(a, b floodKey) int {
	return cmp.Or(a.orig.Compare(b.orig), cmp.Compare(a.verdict, b.verdict), cmp.Compare(a.severity, b.severity))
}

// window is findings of one key in some time: those told, and those folded.
type window struct {
	from, length int64
	sent         int
	alerted      bool // a flood alert was sent, in this window or an earlier one

	name         string // of the originator
	begun        int64
	folded       uint64 // connections, in this window
	total, bytes uint64 // since begun
	outcomes     [flow.OneWay + 1]uint64
	origs, resps map[netip.Addr]struct{}
	moreHosts    bool
	services     []string
	moreServices bool
}

// floods decides which findings are told one by one.
type floods struct {
	windows map[floodKey]*window
	hosts   int   // in the sets of all windows
	due     int64 // no window ends before
}

func newFloods() floods { return floods{windows: map[floodKey]*window{}, due: never} }

// never is a time that does not come.
const never = int64(1<<63 - 1)

// open gives the window of a key, beginning one where there is none; nil where there is no room.
func (fs *floods) open(k floodKey, now int64) *window {
	w := fs.windows[k]
	if w == nil && (len(fs.windows) < maxFloods || !k.orig.IsValid()) {
		w = &window{from: now, length: floodWindow}
		fs.windows[k] = w
		fs.due = min(fs.due, now+w.length)
	}
	return w
}

// admit says whether a new finding is told by itself. Else it was folded.
func (fs *floods) admit(k floodKey, f *classify.Finding, c *flow.Conn, now int64) bool {
	all := fs.open(floodKey{verdict: k.verdict, severity: k.severity}, now)
	own := fs.windows[k]
	if own == nil && all.sent < floodAll {
		own = fs.open(k, now)
	}
	switch {
	case own != nil && own.sent < floodEach && all.sent < floodAll:
		own.sent++
		all.sent++
		return true
	case own != nil && own.sent >= floodEach:
		if own.name = f.Orig.Host; own.name == "" {
			own.name = f.Orig.IP
		}
		fs.fold(own, c, false, f.Service, now)
	default:
		fs.fold(all, c, true, f.Service, now)
	}
	return false
}

// folding is the window that takes further failed attempts of an originator without a look at them; nil where they must be looked at.
func (fs *floods) folding(k floodKey) (w *window, all bool) {
	if w = fs.windows[k]; w != nil && w.folded > 0 && w.sent >= floodEach {
		return w, false
	}
	if w != nil && w.sent > 0 {
		return nil, false
	}
	k.orig = netip.Addr{}
	if w = fs.windows[k]; w != nil && w.folded > 0 && w.sent >= floodAll {
		return w, true
	}
	return nil, false
}

// busy says whether findings of an originator may be among those that are folded.
func (fs *floods) busy(k floodKey) bool {
	own, all := fs.windows[k], fs.windows[floodKey{verdict: k.verdict, severity: k.severity}]
	return own != nil && own.total > 0 || all != nil && all.total > 0
}

func (fs *floods) fold(w *window, c *flow.Conn, all bool, service string, now int64) {
	if w.total == 0 {
		w.begun = now
	}
	w.folded++
	w.total++
	w.bytes += c.OrigBytes + c.RespBytes
	w.outcomes[c.Outcome]++
	if all {
		fs.note(w, &w.origs, c.Orig.Addr())
	}
	fs.note(w, &w.resps, c.Resp.Addr())
	switch {
	case slices.Contains(w.services, service):
	case len(w.services) < maxFloodServices:
		w.services = append(w.services, service)
	default:
		w.moreServices = true
	}
}

func (fs *floods) note(w *window, set *map[netip.Addr]struct{}, a netip.Addr) {
	if _, known := (*set)[a]; known {
		return
	}
	if len(*set) >= maxFloodHosts || fs.hosts >= maxAllFloodHosts {
		w.moreHosts = true
		return
	}
	if *set == nil {
		*set = map[netip.Addr]struct{}{}
	}
	(*set)[a] = struct{}{}
	fs.hosts++
}

// setBack has all windows begin no later than now.
func (fs *floods) setBack(now int64) {
	fs.due = now
	for _, w := range fs.windows {
		w.from, w.begun = min(w.from, now), min(w.begun, now)
	}
}

// tick ends the windows that are over. It gives the alerts about what was folded, in the order of their keys.
func (fs *floods) tick(now int64) []Alert {
	if now < fs.due {
		return nil
	}
	var over []floodKey
	fs.due = never
	for k, w := range fs.windows {
		if now >= w.from+w.length {
			over = append(over, k)
		} else {
			fs.due = min(fs.due, w.from+w.length)
		}
	}
	slices.SortFunc(over, compareFloods)
	var alerts []Alert
	for _, k := range over {
		if a, ok := fs.close(k, now); ok {
			alerts = append(alerts, a)
		}
	}
	return alerts
}

// close ends a window. What was folded in it is told, and a longer one begins; a flood that was told and did not go on is over.
func (fs *floods) close(k floodKey, now int64) (a Alert, ok bool) {
	w := fs.windows[k]
	a = Alert{ID: floodID(k), Kind: KindFlood, Severity: k.severity, Connections: w.folded, Bytes: w.bytes, Since: w.begun, Flood: w.export(k, now)}
	fs.hosts -= len(w.origs) + len(w.resps)
	if w.folded == 0 {
		delete(fs.windows, k)
		a.Kind, a.Severity, a.Flood, a.Connections = KindResolved, severities[info], nil, w.total
		a.Text = "the flood of " + k.verdict + " connections is over"
		if w.name != "" {
			a.Text = "the flood of " + k.verdict + " connections of " + w.name + " is over"
		}
		return a, w.alerted
	}
	next := &window{from: now, length: min(2*w.length, longestFlood), sent: w.sent, alerted: true, name: w.name, begun: w.begun, total: w.total, bytes: w.bytes}
	if !k.orig.IsValid() && k.severity != severities[low] {
		next.sent = 0 // what weighs more is not hidden for an hour because of others
	}
	fs.windows[k] = next
	fs.due = min(fs.due, now+next.length)
	if k.severity == severities[low] {
		a.Next = "find out which program there opens them"
	}
	return a, true
}

func (w *window) export(k floodKey, now int64) *Flood {
	f := &Flood{Verdict: k.verdict, From: w.name, Origs: len(w.origs), Hosts: len(w.resps), MoreThan: w.moreHosts, Services: w.services, More: w.moreServices, Window: now - w.from, Total: w.total}
	for o, n := range w.outcomes {
		if n > 0 {
			f.Outcomes = append(f.Outcomes, classify.OutcomeCount{Outcome: flow.Outcome(o).String(), Connections: n})
		}
	}
	return f
}

func floodID(k floodKey) string {
	who := "all"
	if k.orig.IsValid() {
		who = k.orig.String()
	}
	return hashID("flood", who, k.verdict, k.severity)
}
