package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/classify/monitor"
)

// Status is what a watch shows beside its audit. Times are ns since 1970 UTC, lengths ns; counts are since the watch began.
type Status struct {
	Now, Since   int64
	AuditAt      int64  // when the audit was made
	Declined     string // why there is no newer audit; "" where one can be had
	Interfaces   []classify.LiveInterface
	PacketRate   float64 // a second
	BitRate      float64
	Open, Limit  uint64 // connections
	Judged       uint64 // connections
	Findings     int    // told and not over
	Missing      int    // scheduled expectations
	Lost         uint64 // alerts and files that did not get out
	SavedAt      int64  // the last checkpoint; 0: none
	Saves        bool   // a state is kept
	RulesRefused bool   // the last change of the rules was
	KnownRefused bool   // the last change of the acknowledgements was
	Known        []Known
	Held         uint64   // alerts that were not told because of Known
	Events       []*Event // newest first
	Last         string   // id of the newest event, for who wants those after it
}

// Known is an acknowledgement of a finding.
type Known struct {
	Finding, Who, Text string
	Until              int64
}

// Event is an alert as a page shows it. Its text is clean.
type Event struct {
	ID       string `json:"event"`
	Time     string `json:"time"`
	Severity string `json:"severity"`
	Kind     string `json:"kind"`
	Text     string `json:"text"`
	Next     string `json:"next,omitempty"` // what to do
}

// NewEvent words an alert, in UTC.
func NewEvent(id string, a *monitor.Alert) *Event {
	text := alertWords(a, time.UTC)
	if a.ID != "" {
		text += " [" + a.ID + "]"
	}
	return &Event{id, shortTime(flow.Stamp(a.Time)), a.Severity, string(a.Kind), cleanTo(text, maxAlert), Clean(a.Next)}
}

// Value is a text of the page that changes: the elements with its Key as data-live show it.
type Value struct {
	Key   string `json:"key"`
	Label string `json:"-"`
	Text  string `json:"text"`
	Bad   bool   `json:"bad"` // somebody should look
}

// Values are the texts of a status that change, clean.
func (s *Status) Values() []Value {
	v := s.view()
	list := v.Tiles
	for _, i := range v.Interfaces {
		list = append(list, i.Cells...)
	}
	return cleaned(append(list, v.Clock))
}

// statusView is a status in words.
type statusView struct {
	Watching   string
	Since      string
	Clock      Value
	AuditAt    string
	Declined   string
	Tiles      []Value
	Interfaces []interfaceRow
	Known      []knownRow
	MoreKnown  int
	Held       uint64
	Notices    []string
	Events     []*Event
	Last       string
}

type interfaceRow struct {
	Name  string
	Cells []Value
}

type knownRow struct{ State, Finding, Who, Until, Text string }

// Limits of the status page.
const (
	statusEvents = 50
	statusFaces  = 64
)

func (s *Status) view() *statusView {
	v := &statusView{Since: stampShort(s.Since), Clock: Value{Key: "clock", Text: stampShort(s.Now)}, AuditAt: stampShort(s.AuditAt), Declined: s.Declined, Held: s.Held, Last: s.Last}
	var names []string
	var dropped uint64
	var blind int64
	up := 0
	for _, i := range s.Interfaces[:min(len(s.Interfaces), statusFaces)] {
		names = append(names, i.Name)
		dropped += i.Dropped
		blind = max(blind, i.Blind)
		if i.State == "up" {
			up++
		}
		v.Interfaces = append(v.Interfaces, newInterfaceRow(len(v.Interfaces), &i))
	}
	v.Watching = strings.Join(names, ", ")
	v.Tiles = []Value{
		{"packets", "packets a second", rateText(s.PacketRate), false},
		{"bits", "bits a second", rateText(s.BitRate), false},
		{"dropped", "packets dropped by the kernel", number(dropped), dropped > 0},
		{"blind", "blind, the worst interface", lengthText(blind), blind > 0},
		{"up", "interfaces up", fmt.Sprintf("%d of %d", up, len(v.Interfaces)), up < len(v.Interfaces)},
		{"open", "connections open, of " + number(s.Limit), number(s.Open), s.Open >= s.Limit},
		{"judged", "connections judged", number(s.Judged), false},
		{"findings", "findings told, not over", number(uint64(s.Findings)), false},
		{"missing", "scheduled uses missing", number(uint64(s.Missing)), s.Missing > 0},
		{"lost", "alerts and files lost", number(s.Lost), s.Lost > 0},
	}
	if s.Saves {
		v.Tiles = append(v.Tiles, s.savedTile())
	}
	if s.RulesRefused {
		v.Notices = append(v.Notices, "The last change of rules or site was refused: what was loaded before still holds. Standard error says where the mistake is.")
	}
	if s.KnownRefused {
		v.Notices = append(v.Notices, "The last change of the acknowledgements was refused: what was loaded before still holds. Standard error says where the mistake is.")
	}
	s.known(v)
	v.Events = s.Events[:min(len(s.Events), statusEvents)]
	return v
}

func newInterfaceRow(n int, i *classify.LiveInterface) interfaceRow {
	key := func(what string) string { return fmt.Sprintf("%s-%d", what, n) }
	return interfaceRow{i.Name, []Value{
		{key("state"), "State", i.State, i.State != "up"}, {key("kernel"), "Packets in the kernel", number(i.Kernel), false}, {key("delivered"), "Delivered", number(i.Delivered), false},
		{key("dropped"), "Dropped", number(i.Dropped), i.Dropped > 0}, {key("watched"), "Watched", lengthText(i.Monitored), false}, {key("blind"), "Blind", lengthText(i.Blind), i.Blind > 0}}}
}

// savedTile says how old the saved state is.
func (s *Status) savedTile() Value {
	v := Value{"saved", "since the state was saved", "not yet", false}
	if s.SavedAt > 0 {
		v.Text = lengthText((s.Now - s.SavedAt) / 1e9 * 1e9)
	}
	return v
}

// known lists the acknowledgements, those in force first.
func (s *Status) known(v *statusView) {
	for _, ended := range []bool{false, true} {
		for _, k := range s.Known {
			if (k.Until <= s.Now) != ended {
				continue
			}
			if len(v.Known) == htmlRows {
				v.MoreKnown++
				continue
			}
			state := "in force"
			if ended {
				state = "ended"
			}
			v.Known = append(v.Known, knownRow{state, k.Finding, k.Who, stampShort(k.Until), k.Text})
		}
	}
}

// acknowledge says on the cards of findings who knows of them.
func (v *htmlView) acknowledge(s *Status) {
	by := map[string]string{}
	for _, k := range s.Known {
		if k.Until > s.Now {
			by[k.Finding] = fmt.Sprintf("by %s until %s UTC: %s", k.Who, stampShort(k.Until), k.Text)
		}
	}
	for i := range v.Severities {
		for j := range v.Severities[i].Cards {
			c := &v.Severities[i].Cards[j]
			known := 0
			for k := range c.Members {
				if text := by[c.Members[k].ID]; text != "" {
					known++
					c.Members[k].Facts = append([]pairView{{"Acknowledged", text}}, c.Members[k].Facts...)
				}
			}
			switch {
			case known > 0 && known == len(c.Members) && c.More == 0:
				c.Standing, c.Open = "acknowledged", false
			case known > 0:
				c.Standing = fmt.Sprintf("%d acknowledged", known)
			}
		}
	}
}

// rateText is a rate with three digits.
func rateText(n float64) string {
	for _, unit := range []string{"", " k", " M", " G"} {
		if n < 999.5 {
			return strings.TrimSuffix(fmt.Sprintf("%.3g", n), ".0") + unit
		}
		n /= 1000
	}
	return fmt.Sprintf("%.3g T", n)
}

// stampShort is shortTime of ns; "" for 0.
func stampShort(ns int64) string {
	if ns == 0 {
		return ""
	}
	return shortTime(flow.Stamp(ns))
}

// statusStyle is the report's style sheet with what the status page has beyond it.
var statusStyle, statusHash = statusStyleAndHash()

func statusStyleAndHash() (template.CSS, string) {
	more, err := htmlFiles.ReadFile("html/status.css")
	if err != nil {
		panic(err) // embedded
	}
	text := append([]byte(htmlStyle), more...)
	sum := sha256.Sum256(text)
	return template.CSS(text), base64.StdEncoding.EncodeToString(sum[:])
}

// StatusPolicy is the Content-Security-Policy that a status page is to be sent with: one style sheet, scripts and connections of its own server, nothing else.
func StatusPolicy() string {
	return "default-src 'none'; script-src 'self'; style-src 'sha256-" + statusHash + "'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// WriteStatus renders a watch as one page: its status, the alerts, and the audit so far, nil for none yet. The page names its script as status.js, its stream of events as
// events, the audit as api/audit. It is whole without the script.
func WriteStatus(w io.Writer, a *classify.Audit, s *Status) error {
	page := struct {
		Style  template.CSS
		Title  string
		Status *statusView
		View   *htmlView
	}{Style: statusStyle, Title: "Live audit", Status: cleaned(s.view())}
	if a != nil {
		v := newHTMLView(a)
		v.acknowledge(s)
		page.View = cleaned(v)
		page.Title = strings.Replace(page.View.Title, "Traffic audit", "Live audit", 1)
	}
	var b bytes.Buffer
	if err := htmlTemplates().ExecuteTemplate(&b, "status.tmpl", page); err != nil {
		return fmt.Errorf("lay out status page: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write status page: %w", err)
	}
	return nil
}
