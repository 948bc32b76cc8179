package reports

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"pcapaudit/rules"
)

// maxExportRows bounds what flows resolve to: a spreadsheet takes no more.
const maxExportRows = 1 << 20

// RuleFormats are the formats of the flows of packs.
var RuleFormats = []string{"csv", "markdown", "nftables"}

// exportRow is one documented flow, or one host pair of it.
type exportRow struct {
	flow                   *rules.Flow
	from, to               string // roles
	orig, resp             string // hosts, "" without a site
	origAddr, respAddr     string
	sourcePorts, condition string
	service                string
	note                   string
}

var exportColumns = []struct {
	name  string
	sited bool // only where a site names hosts
	of    func(*exportRow) string
}{
	{"pack", false, func(r *exportRow) string { return r.flow.Pack.Name }},
	{"flow", false, func(r *exportRow) string { return r.flow.ID }},
	{"title", false, func(r *exportRow) string { return r.flow.Title }},
	{"from", false, func(r *exportRow) string { return r.from }},
	{"orig_host", true, func(r *exportRow) string { return r.orig }},
	{"orig_addresses", true, func(r *exportRow) string { return r.origAddr }},
	{"source_ports", false, func(r *exportRow) string { return r.sourcePorts }},
	{"to", false, func(r *exportRow) string { return r.to }},
	{"resp_host", true, func(r *exportRow) string { return r.resp }},
	{"resp_addresses", true, func(r *exportRow) string { return r.respAddr }},
	{"service", false, func(r *exportRow) string { return r.service }},
	{"need", false, func(r *exportRow) string { return r.flow.Need }},
	{"occurrence", false, func(r *exportRow) string { return r.flow.Occurrence }},
	{"condition", false, func(r *exportRow) string { return r.condition }},
	{"scope", false, func(r *exportRow) string { return r.flow.Scope }},
	{"encryption", false, func(r *exportRow) string { return r.flow.Encryption }},
	{"cite", false, func(r *exportRow) string { return citesText(r.flow) }},
	{"note", false, exportNote},
}

// RuleCSV lists the flows of packs (RFC 4180, with a heading): one row a flow, or, with a site, one row for each pair of hosts that may open it at a time. What a site
// leaves out has a row with the reason.
func RuleCSV(w io.Writer, s *rules.Set, at int64) error {
	rows, err := exportRows(s, at)
	if err != nil {
		return err
	}
	sheet := newSheet(w)
	head, _ := exportFields(nil, s.Site != nil)
	sheet.row(head...)
	for i := range rows {
		_, fields := exportFields(&rows[i], s.Site != nil)
		sheet.row(fields...)
	}
	return sheet.close("csv")
}

// RuleMarkdown is RuleCSV as one table a pack.
func RuleMarkdown(w io.Writer, s *rules.Set, at int64) error {
	rows, err := exportRows(s, at)
	if err != nil {
		return err
	}
	t := &ticket{w: w}
	t.line("# Documented flows")
	for _, p := range s.Packs {
		t.line("\n## %s\n\n%s%s\n", markdownCode(p.Name), escapeMarkdown(p.Title), draftWords(p.Status))
		head, _ := exportFields(nil, s.Site != nil)
		t.line("| %s |\n|%s", strings.Join(head[1:], " | "), strings.Repeat("---|", len(head)-1))
		for i := range rows {
			if rows[i].flow.Pack != p {
				continue
			}
			_, fields := exportFields(&rows[i], s.Site != nil)
			for k := range fields {
				fields[k] = escapeMarkdown(fields[k])
			}
			t.line("| %s |", strings.Join(fields[1:], " | "))
		}
	}
	if t.err != nil {
		return fmt.Errorf("write markdown: %w", t.err)
	}
	return nil
}

// exportFields are the headings and, of a row, the fields.
func exportFields(r *exportRow, sited bool) (head, fields []string) {
	for _, c := range exportColumns {
		if c.sited && !sited {
			continue
		}
		head = append(head, c.name)
		if r != nil {
			fields = append(fields, c.of(r))
		}
	}
	return head, fields
}

func exportRows(s *rules.Set, at int64) ([]exportRow, error) {
	if s.Site == nil {
		return documentedRows(s), nil
	}
	open, left := s.Openings(at)
	size := len(left)
	for i := range open {
		if size += len(open[i].Originator) * len(open[i].Responder); size > maxExportRows {
			return nil, errors.New("the flows of this site make more than a million pairs of hosts: choose fewer packs with --rules")
		}
	}
	rows := make([]exportRow, 0, size)
	for i := range open {
		rows = pairRows(rows, &open[i])
	}
	for _, l := range left {
		rows = append(rows, exportRow{flow: l.Flow, from: joined(l.Flow.From), to: joined(l.Flow.To), sourcePorts: l.Flow.SourcePorts, condition: l.Flow.Condition,
			service: serviceText(l.Flow), note: "left out: " + l.Reason})
	}
	return rows, nil
}

func documentedRows(s *rules.Set) []exportRow {
	var rows []exportRow
	for _, p := range s.Packs {
		for _, f := range p.Flows {
			r := exportRow{flow: f, from: joined(f.From), to: joined(f.To), sourcePorts: f.SourcePorts, condition: f.Condition, service: serviceText(f)}
			if f.Originator == "either" {
				r.note = "either side opens"
			}
			if f.Reference {
				r.note = "reference list, expects nothing"
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// pairRows appends a row for each pair of hosts of an opening. A host is no partner of itself.
func pairRows(rows []exportRow, o *rules.Opening) []exportRow {
	for _, a := range o.Originator {
		for _, b := range o.Responder {
			if a.Host != nil && a.Host == b.Host && len(a.Host.Addresses) == 1 && a.Spans[0].First == a.Spans[0].Last {
				continue
			}
			rows = append(rows, exportRow{flow: o.Flow, from: o.From, to: o.To, orig: holderName(a, o.From), resp: holderName(b, o.To), origAddr: spansText(a.Spans), respAddr: spansText(b.Spans),
				sourcePorts: portsText(a.Ports, "any"), condition: conditionText(o), service: servedText(o.Flow, b.Ports), note: openingNote(o)})
		}
	}
	return rows
}

// holderName is the host, or the role where no host of the site plays it.
func holderName(h rules.Holder, role string) string {
	if h.Host != nil {
		return h.Host.Name
	}
	return role
}

func spansText(spans []rules.Span) string {
	var texts []string
	for _, s := range spans {
		texts = append(texts, s.String())
	}
	return joined(texts)
}

func portsText(ports []rules.PortRange, none string) string {
	if len(ports) == 0 {
		return none
	}
	var texts []string
	for _, r := range ports {
		texts = append(texts, portText(r))
	}
	return strings.Join(texts, ",")
}

// portText is a port or "FIRST-LAST".
func portText(r rules.PortRange) string {
	if r.First == r.Last {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// servedText is the protocol with the ports at one responder.
func servedText(f *rules.Flow, ports []rules.PortRange) string {
	if len(ports) == 0 {
		return serviceText(f)
	}
	return f.Proto + "/" + portsText(ports, "any")
}

func conditionText(o *rules.Opening) string {
	if o.Flow.Condition == "" {
		return ""
	}
	return o.Flow.Condition + " (" + o.Condition.String() + ")"
}

// openingNote says what the addresses and ports of an opening do not.
func openingNote(o *rules.Opening) string {
	var notes []string
	add := func(holds bool, text string) {
		if holds {
			notes = append(notes, text)
		}
	}
	add(o.Condition == rules.Unknown, "the condition "+o.Flow.Condition+" is not known")
	add(o.Reversed, "the answering side opens: either may")
	add(o.Proxied, "by way of a proxy")
	add(o.Flow.AnnouncedBy != "", "only the port that "+o.Flow.AnnouncedBy+" has announced")
	return joined(notes)
}

// exportNote says beside a flow what its columns do not, and that its pack is a draft.
func exportNote(r *exportRow) string {
	if r.flow.Pack.Status != rules.DraftStatus {
		return r.note
	}
	return joined(slices.DeleteFunc([]string{"the pack is a draft that nobody has reviewed", r.note}, func(s string) bool { return s == "" }))
}

func citesText(f *rules.Flow) string {
	var texts []string
	for _, c := range f.Cite {
		texts = append(texts, citeText(c))
	}
	return joined(texts)
}
