package reports

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"pcapaudit/classify"
)

// What formats with a schema demand of a field is checked here: an audit may have been read from a file that somebody edited.

// stamp gives a time of an audit if it is one, else "".
func stamp(s string) string {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1900 || !strings.HasSuffix(s, "Z") {
		return ""
	}
	return s
}

// digest gives a SHA-256 in lower case hex if it is one, else "".
func digest(s string) string {
	if len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "" {
		return ""
	}
	return s
}

// fileURI is a file name as a reference of RFC 3986: hostile names stay one path, and never become a scheme or a host.
func fileURI(name string) string {
	path := Clean(name)
	if strings.HasPrefix(path, "/") {
		path = "/" + strings.TrimLeft(path, "/")
	}
	return (&url.URL{Path: path}).String()
}

// inputOf finds the file that a piece of evidence points into, -1 if it is not among the inputs. The id of a connection counts before the
// name, because two inputs may share a name.
func inputOf(inputs []classify.Input, e classify.Evidence) int {
	number, _, _ := strings.Cut(e.ID, ":")
	if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < len(inputs) && inputs[i].Name == e.File {
		return i
	}
	return slices.IndexFunc(inputs, func(in classify.Input) bool { return in.Name == e.File })
}

// evidenceText says where a connection is: "packet 17 of window.pcapng, 2026-01-02T03:04:05Z: 10.0.0.1:50000 -> 10.0.0.9:88".
func evidenceText(e classify.Evidence) string {
	text := "packet " + strconv.FormatUint(e.Packet, 10) + " of " + inputName(e.File)
	if t := stamp(e.Time); t != "" {
		text += ", " + t
	}
	if e.Orig != "" {
		text += ": " + cleanText(e.Orig) + " -> " + cleanText(e.Resp)
	}
	if e.Told != "" {
		text += "; " + Clean(e.Told)
	}
	return text
}

// verdictText is "unexpected: unknown-host", and what it was before an exception.
func verdictText(f *classify.Finding) string {
	text := cleanText(f.Verdict)
	if len(f.Why) > 0 {
		text += ": " + cleanText(strings.Join(f.Why, ", "))
	}
	if f.Original != "" {
		text += " (" + cleanText(f.Original) + " without its exception)"
	}
	return text
}

// reviewOf is what a reviewer says of a finding, "" without an annotation.
func reviewOf(f *classify.Finding) string {
	if f.Annotation == nil {
		return ""
	}
	return "reviewer: " + reviewText(f.Annotation)
}

// sentences joins what is not empty, each cleaned and ended with a full stop.
func sentences(list ...string) string {
	var out []string
	for _, s := range list {
		if s = strings.TrimSpace(Clean(s)); s != "" {
			out = append(out, strings.TrimSuffix(s, ".")+".")
		}
	}
	return strings.Join(out, " ")
}

// evidenceFileText says what the capture file with the packets of findings holds.
func evidenceFileText(e *classify.EvidenceFile) string {
	text := fmt.Sprintf("%s: %s of %s, %s", e.File, plural(e.Packets, "packet"), plural(uint64(max(e.Connections, 0)), "connection"), e.Mode)
	if e.Mode == "headers" {
		text += " only"
	}
	if e.Passes {
		text += ", with samples of observed expectations"
	}
	if e.Limit > 0 {
		text += fmt.Sprintf("; at most %s a connection, which left packets of %d out", plural(uint64(e.Limit), "packet"), e.Limited)
	}
	if e.Lost > 0 {
		text += fmt.Sprintf("; %s could not be written", plural(e.Lost, "packet"))
	}
	if e.LeftOut > 0 {
		text += fmt.Sprintf("; %s found no place", plural(uint64(e.LeftOut), "connection"))
	}
	return text
}

// recordText is the site's word on how a capture was made.
func recordText(r *classify.CaptureRecord) string {
	parts := []string{"method " + r.Method}
	for _, p := range []pairView{{"device", r.Device}, {"filter", r.Filter}, {"clock", r.ClockSource}, {"clock offset", r.ClockOffset}, {"operator", r.Operator}} {
		if p.Text != "" {
			parts = append(parts, p.Label+" "+p.Text)
		}
	}
	events, more := cut(r.Custody, maxCustody)
	for _, e := range events {
		parts = append(parts, fmt.Sprintf("%s %s: %s", e.When, e.Who, e.What))
	}
	if more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more events, in the JSON report", more))
	}
	return Clean(strings.Join(parts, "; "))
}

// saidByFile is what a capture file says of how it was made, where the site says something of that too; else "".
func saidByFile(in *classify.Input) string {
	if len(in.Records) == 0 {
		return ""
	}
	var parts []string
	for _, p := range []pairView{{"application", in.Application}, {"system", in.OS}} {
		if p.Text != "" {
			parts = append(parts, p.Label+" "+p.Text)
		}
	}
	faces, more := cut(in.Interfaces, maxCustody)
	for _, f := range faces {
		if f.Name+f.Filter == "" {
			continue
		}
		text := "interface " + f.Name
		if f.Filter != "" {
			text += ", filter " + f.Filter
		}
		parts = append(parts, text)
	}
	if more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more interfaces", more))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

// maxCustody is how many events of a capture file's life, or interfaces beside them, are written out.
const maxCustody = 50
