package reports

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/classify/monitor"
)

// AlertSchema names the version of alert records.
const AlertSchema = "pcapaudit.alert/1"

// maxAlert is the longest text of an alert, in runes.
const maxAlert = 1024

// AlertLine is an alert as one line with its time, without a line end.
func AlertLine(a *monitor.Alert, zone *time.Location) string {
	return flow.Time(a.Time).In(zone).Format(time.RFC3339) + " " + AlertText(a, zone)
}

// AlertText is an alert in words, in one line that is safe for a terminal and for syslog. Times are of the zone.
func AlertText(a *monitor.Alert, zone *time.Location) string {
	text := strings.ToUpper(a.Severity) + " " + alertWords(a, zone)
	if a.Next != "" {
		text += "; next: " + a.Next
	}
	if a.ID != "" {
		text += " [" + a.ID + "]"
	}
	return cleanTo(text, maxAlert)
}

// alertWords is an alert without its severity, its id and what to do, not clean.
func alertWords(a *monitor.Alert, zone *time.Location) string {
	text := string(a.Kind) + ": " + a.Text
	switch {
	case a.Finding != nil:
		text = findingAlert(a, zone)
	case a.Flood != nil:
		text = floodAlert(a, zone)
	case a.Since != 0 && a.Kind == monitor.KindMissing:
		text += ", last seen " + clock(a.Since, a.Time, zone)
	case a.Since != 0 && a.Kind == monitor.KindResolved && a.Connections > 0:
		text += fmt.Sprintf(", %s since %s", plural(a.Connections, "connection"), clock(a.Since, a.Time, zone))
	}
	return text + acknowledgedText(a, zone)
}

// acknowledgedText says who knows of it, or that nobody is said to any more.
func acknowledgedText(a *monitor.Alert, zone *time.Location) string {
	n := a.Acknowledged
	switch {
	case n == nil:
		return ""
	case n.Until <= a.Time:
		return "; told again: acknowledged by " + n.Who + " until " + clock(n.Until, a.Time, zone)
	}
	return "; acknowledged by " + n.Who + " until " + clock(n.Until, a.Time, zone) + " (" + n.Text + ")"
}

// findingAlert says what happened, between whom, how often, and what the document says instead.
func findingAlert(a *monitor.Alert, zone *time.Location) string {
	f := a.Finding
	text := f.Verdict
	if len(f.Why) > 0 && f.Verdict == "deviation" {
		text += " (" + strings.Join(f.Why, ", ") + ")"
	}
	if n := len(f.Outcomes); n > 0 {
		text += ", " + f.Outcomes[n-1].Outcome
	}
	if a.Change != monitor.ChangeNew {
		text += ", " + string(a.Change)
	}
	if f.Kind == "question" {
		return text + ": " + f.Summary
	}
	text += fmt.Sprintf(": %s -> %s %s, %s since %s, %s", alertEnd(&f.Orig), alertEnd(&f.Resp), f.Service, plural(a.Connections, "connection"), clock(a.Since, a.Time, zone), size(a.Bytes))
	if f.Nearest != "" {
		return text + "; " + strings.TrimPrefix(f.Nearest, f.Service+": ")
	}
	return text + "; " + f.Reason
}

// alertEnd names one end: its host, else its address, and its role or name.
func alertEnd(e *classify.EndRef) string {
	name := e.Host
	if name == "" {
		name = e.IP
	}
	switch {
	case len(e.Roles) > 0:
		return name + " (" + e.Roles[0] + ")"
	case e.Name != "" && (e.NameOrigin == flow.NameSNI.String() || e.NameOrigin == flow.NameHTTP.String()):
		return name + " (claimed to be " + e.Name + ")"
	case e.Name != "":
		return name + " (" + e.Name + ")"
	}
	return name
}

// floodAlert says how many findings were not told one by one.
func floodAlert(a *monitor.Alert, zone *time.Location) string {
	f := a.Flood
	text, more := "flood of "+f.Verdict+" connections", ""
	if f.Scan() {
		text = "scan"
	}
	if f.MoreThan {
		more = "more than "
	}
	if f.From != "" {
		text += " by " + f.From
	} else {
		text += " by " + more + plural(uint64(f.Origs), "host")
	}
	var parts []string
	for _, o := range f.Outcomes {
		parts = append(parts, number(o.Connections)+" "+o.Outcome)
	}
	text += ": " + strings.Join(parts, ", ") + " to " + more + plural(uint64(f.Hosts), "host")
	services := strings.Join(f.Services, ", ")
	if f.More {
		services += " and more"
	}
	return fmt.Sprintf("%s (%s) in %s; %s since %s", text, services, time.Duration(f.Window).Round(time.Second), plural(f.Total, "connection"), clock(a.Since, a.Time, zone))
}

// clock is a time for people: without the date where it is the day of the alert.
func clock(at, now int64, zone *time.Location) string {
	t := flow.Time(at).In(zone)
	if day := flow.Time(now).In(zone); t.YearDay() == day.YearDay() && t.Year() == day.Year() {
		return t.Format("15:04Z07:00")
	}
	return t.Format("2006-01-02T15:04Z07:00")
}

type alertRecord struct {
	Schema      string            `json:"schema"`
	Event       string            `json:"event,omitempty"`
	Time        string            `json:"time"`
	Kind        string            `json:"kind"`
	Change      string            `json:"change,omitempty"`
	Severity    string            `json:"severity"`
	ID          string            `json:"id"`
	Text        string            `json:"text"`
	Next        string            `json:"next"`
	Since       string            `json:"since"`
	Connections uint64            `json:"connections"`
	Bytes       uint64            `json:"bytes"`
	Flood       *floodRecord      `json:"flood,omitempty"`
	Known       *knownRecord      `json:"acknowledged,omitempty"`
	Finding     *classify.Finding `json:"finding,omitempty"`
}

type floodRecord struct {
	Verdict  string                  `json:"verdict"`
	From     string                  `json:"from"`
	Origs    int                     `json:"orig_hosts"`
	Hosts    int                     `json:"resp_hosts"`
	MoreThan bool                    `json:"more_hosts"`
	Services []string                `json:"services"`
	More     bool                    `json:"more_services"`
	Outcomes []classify.OutcomeCount `json:"outcomes"`
	Seconds  float64                 `json:"seconds"`
	Total    uint64                  `json:"total"`
}

type knownRecord struct {
	Who   string `json:"who"`
	Until string `json:"until"`
	Text  string `json:"text"`
}

// AppendAlert appends an alert as one line of NDJSON, in ASCII: what is hostile on a terminal is escaped. Times of its text are UTC.
func AppendAlert(b []byte, a *monitor.Alert) ([]byte, error) { return AppendEvent(b, a, "") }

// AppendEvent is AppendAlert with the id that the alert has in a stream; "" for none.
func AppendEvent(b []byte, a *monitor.Alert, id string) ([]byte, error) {
	r := alertRecord{Schema: AlertSchema, Event: id, Time: flow.Stamp(a.Time), Kind: string(a.Kind), Change: string(a.Change), Severity: a.Severity, ID: a.ID, Text: AlertText(a, time.UTC), Next: Clean(a.Next),
		Connections: a.Connections, Bytes: a.Bytes, Finding: a.Finding}
	if a.Since != 0 {
		r.Since = flow.Stamp(a.Since)
	}
	if f := a.Flood; f != nil {
		r.Flood = &floodRecord{f.Verdict, f.From, f.Origs, f.Hosts, f.MoreThan, append([]string{}, f.Services...), f.More, append([]classify.OutcomeCount{}, f.Outcomes...), time.Duration(f.Window).Seconds(), f.Total}
	}
	if n := a.Acknowledged; n != nil {
		r.Known = &knownRecord{n.Who, flow.Stamp(n.Until), n.Text}
	}
	text, err := json.Marshal(&r)
	if err != nil {
		return b, fmt.Errorf("write alert: %w", err)
	}
	return append(appendASCII(b, text), '\n'), nil
}

// appendASCII appends JSON with everything beyond ASCII, and DEL, as escapes. Such runes stand in strings only.
func appendASCII(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		switch {
		case r < 0x7f:
			b = append(b, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = appendEscape(appendEscape(b, high), low)
		default:
			b = appendEscape(b, r)
		}
	}
	return b
}

func appendEscape(b []byte, r rune) []byte {
	return append(b, `\u`+strconv.FormatInt(0x10000+int64(r), 16)[1:]...)
}
