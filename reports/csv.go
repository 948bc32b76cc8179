package reports

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"pcapaudit/classify"
)

// findingColumns are the columns of the list of findings, which is complete: a spreadsheet folds by itself. Lists within a field are
// joined by "; ", and the evidence is the first connection only; the rest is in the JSON report.
var findingColumns = []struct {
	name string
	of   func(*classify.Finding) string
}{
	{"id", func(f *classify.Finding) string { return f.ID }},
	{"severity", func(f *classify.Finding) string { return f.Severity }},
	{"decides", func(f *classify.Finding) string { return strconv.FormatBool(f.Decides) }},
	{"kind", func(f *classify.Finding) string { return f.Kind }},
	{"verdict", func(f *classify.Finding) string { return f.Verdict }},
	{"original_verdict", func(f *classify.Finding) string { return f.Original }},
	{"why", func(f *classify.Finding) string { return joined(f.Why) }},
	{"flow", func(f *classify.Finding) string { return f.Flow }},
	{"nearest", func(f *classify.Finding) string { return f.Nearest }},
	{"summary", func(f *classify.Finding) string { return f.Summary }},
	{"reason", func(f *classify.Finding) string { return f.Reason }},
	{"look", func(f *classify.Finding) string { return f.Look }},
	{"orig_host", func(f *classify.Finding) string { return f.Orig.Host }},
	{"orig_ip", func(f *classify.Finding) string { return f.Orig.IP }},
	{"orig_roles", func(f *classify.Finding) string { return joined(f.Orig.Roles) }},
	{"resp_host", func(f *classify.Finding) string { return f.Resp.Host }},
	{"resp_ip", func(f *classify.Finding) string { return f.Resp.IP }},
	{"resp_name", func(f *classify.Finding) string { return f.Resp.Name }},
	{"resp_name_origin", func(f *classify.Finding) string { return f.Resp.NameOrigin }},
	{"resp_roles", func(f *classify.Finding) string { return joined(f.Resp.Roles) }},
	{"proto", func(f *classify.Finding) string { return f.Proto }},
	{"port", func(f *classify.Finding) string { return f.Port }},
	{"service", func(f *classify.Finding) string { return f.Service }},
	{"connections", func(f *classify.Finding) string { return strconv.FormatUint(f.Connections, 10) }},
	{"bytes", func(f *classify.Finding) string { return strconv.FormatUint(f.Bytes, 10) }},
	{"outcomes", func(f *classify.Finding) string { return outcomesText(f.Outcomes) }},
	{"source_ports", func(f *classify.Finding) string { return f.SourcePorts }},
	{"first", func(f *classify.Finding) string { return f.First }},
	{"last", func(f *classify.Finding) string { return f.Last }},
	{"standing", func(f *classify.Finding) string { return f.Standing }},
	{"review", func(f *classify.Finding) string { return reviewText(f.Annotation) }},
	{"exception", func(f *classify.Finding) string { return f.Exception }},
	{"hosts", func(f *classify.Finding) string { return joined(f.Hosts) }},
	{"cite", func(f *classify.Finding) string { return joined(f.Cite) }},
	{"evidence_id", func(f *classify.Finding) string { return firstEvidence(f).ID }},
	{"evidence_file", func(f *classify.Finding) string { return firstEvidence(f).File }},
	{"evidence_packet", func(f *classify.Finding) string { return positive(firstEvidence(f).Packet) }},
	{"evidence_time", func(f *classify.Finding) string { return firstEvidence(f).Time }},
	{"evidence_orig", func(f *classify.Finding) string { return firstEvidence(f).Orig }},
	{"evidence_resp", func(f *classify.Finding) string { return firstEvidence(f).Resp }},
	{"evidence_told", func(f *classify.Finding) string { return firstEvidence(f).Told }},
}

// writeFindings lists every finding, one row each (RFC 4180, with a heading).
func writeFindings(w io.Writer, a *classify.Audit, _ Look) error {
	s := newSheet(w)
	var head []string
	for _, c := range findingColumns {
		head = append(head, c.name)
	}
	s.row(head...)
	fields := make([]string, len(findingColumns))
	for i := range a.Findings {
		for k, c := range findingColumns {
			fields[k] = c.of(&a.Findings[i])
		}
		s.row(fields...)
	}
	return s.close("csv")
}

// writeMatrix lists who opened what to whom, by role, with what became of the documented flow; documented flows without a connection
// come last. A connection counts for one flow: one that shares it with others may be observed with none of its own.
func writeMatrix(w io.Writer, a *classify.Audit, _ Look) error {
	s := newSheet(w)
	s.row("from", "to", "flow", "service", "verdict", "connections", "packets", "bytes", "need", "status")
	expected := map[string]*classify.Expectation{}
	for i := range a.Expectations {
		expected[a.Expectations[i].Flow] = &a.Expectations[i]
	}
	used := map[string]bool{}
	for _, c := range a.Matrix {
		need, status := "", ""
		if e := expected[c.Flow]; e != nil {
			need, status = e.Need, e.Summary
		}
		used[c.Flow] = true
		s.row(c.From, c.To, c.Flow, c.Service, c.Verdict, strconv.FormatUint(c.Connections, 10), strconv.FormatUint(c.Packets, 10), strconv.FormatUint(c.Bytes, 10), need, status)
	}
	for _, e := range a.Expectations {
		if !used[e.Flow] {
			s.row(joined(e.From), joined(e.To), e.Flow, e.Service, "", "0", "0", "0", e.Need, e.Summary+sharedNote(&e))
		}
	}
	return s.close("matrix")
}

// sharedNote explains a flow that was observed without a connection of its own.
func sharedNote(e *classify.Expectation) string {
	for _, s := range e.Statuses {
		if s.Status == "observed" {
			return "; its connections count for a flow that has them too"
		}
	}
	return ""
}

// sheet writes rows for a spreadsheet and keeps the first error.
type sheet struct {
	csv *csv.Writer
	buf []string
	err error
}

func newSheet(w io.Writer) *sheet { return &sheet{csv: csv.NewWriter(w)} }

func (s *sheet) row(fields ...string) {
	if s.err != nil {
		return
	}
	s.buf = s.buf[:0]
	for _, f := range fields {
		s.buf = append(s.buf, noFormula(Clean(f)))
	}
	s.err = s.csv.Write(s.buf)
}

func (s *sheet) close(format string) error {
	s.csv.Flush()
	if s.err == nil {
		s.err = s.csv.Error()
	}
	if s.err != nil {
		return fmt.Errorf("write %s report: %w", format, s.err)
	}
	return nil
}

func joined(list []string) string { return strings.Join(list, "; ") }

func outcomesText(list []classify.OutcomeCount) string {
	var parts []string
	for _, o := range list {
		parts = append(parts, fmt.Sprintf("%d %s", o.Connections, o.Outcome))
	}
	return joined(parts)
}

func firstEvidence(f *classify.Finding) classify.Evidence {
	if len(f.Evidence) == 0 {
		return classify.Evidence{}
	}
	return f.Evidence[0]
}

// positive is a number, "" for zero.
func positive(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
