package classify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pcapaudit/capture/flow"
)

// shifted numbers evidence of the audit at place i among all inputs.
func (c *combination) shifted(i int, e Evidence) Evidence {
	file, packet, ok := strings.Cut(e.ID, ":")
	if n, err := strconv.ParseUint(file, 10, 16); ok && err == nil && int(n) < len(c.numbers[i]) {
		e.ID = strconv.Itoa(c.numbers[i][n]) + ":" + packet
	}
	return e
}

// firstEvidence is the first of several lists in the inputs, at most limit. Time goes before packet numbers, which begin at 1 in each run of a live capture.
func firstEvidence(list []Evidence, limit int) []Evidence {
	place := func(e Evidence) (file, packet uint64) {
		f, p, _ := strings.Cut(e.ID, ":")
		file, _ = strconv.ParseUint(f, 10, 64)
		packet, _ = strconv.ParseUint(p, 10, 64)
		return file, packet
	}
	slices.SortStableFunc(list, func(a, b Evidence) int {
		af, ap := place(a)
		bf, bp := place(b)
		return cmp.Or(cmp.Compare(af, bf), cmp.Compare(a.Time, b.Time), cmp.Compare(ap, bp))
	})
	return notNil(list[:min(limit, len(list))])
}

// findings merges those of all audits by id; those of expectations are made anew from the merged hosts.
func (c *combination) findings() []Finding {
	at, seenIn := map[string]int{}, map[string]int{}
	var out []Finding
	for i, s := range c.list {
		for j := range s.Audit.Findings {
			f := s.Audit.Findings[j]
			if f.Kind == kindExpectation {
				continue
			}
			f.Standing, f.Annotation = "", nil
			f.Evidence = slices.Clone(f.Evidence)
			for n := range f.Evidence {
				f.Evidence[n] = c.shifted(i, f.Evidence[n])
			}
			seenIn[f.ID]++
			if n, known := at[f.ID]; known {
				out[n].join(&f)
				continue
			}
			at[f.ID] = len(out)
			f.Outcomes = slices.Clone(f.Outcomes)
			out = append(out, f)
		}
	}
	out = slices.DeleteFunc(out, func(f Finding) bool { return f.Kind == kindSilentHost && seenIn[f.ID] < len(c.list) })
	if more := len(out) - maxFindings; more > 0 {
		sortFindings(out)
		for i := range out[maxFindings:] {
			c.out.Overflow += out[maxFindings+i].Connections
		}
		out = out[:maxFindings]
	}
	return out
}

// join adds the same finding of another audit. What is worded follows the one that weighs more.
func (f *Finding) join(o *Finding) {
	was := *f
	if severityRank(o.Severity) < severityRank(f.Severity) || o.Decides && !f.Decides {
		f.Severity, f.Decides, f.Summary, f.Reason, f.Look, f.Nearest = o.Severity, o.Decides, o.Summary, o.Reason, o.Look, o.Nearest
	}
	f.Connections += o.Connections
	f.Bytes += o.Bytes
	f.Outcomes = merge(func(n *OutcomeCount) string { return n.Outcome }, func(into, n *OutcomeCount) { into.Connections += n.Connections }, [][]OutcomeCount{was.Outcomes, o.Outcomes})
	f.First, f.Last = earliest(f.First, o.First), max(f.Last, o.Last)
	f.Evidence = firstEvidence(append(f.Evidence, o.Evidence...), maxEvidence)
	for _, h := range o.Hosts {
		if !slices.Contains(f.Hosts, h) && len(f.Hosts) < maxOpenHosts {
			f.Hosts = append(f.Hosts, h)
		}
	}
	f.SourcePorts = spanOf(was.SourcePorts, o.SourcePorts)
	switch f.Kind {
	case kindQuestion:
		f.joinServices(o)
	case kindConnection:
		f.reword(&was, o)
	}
}

// summaryVerbs of findings about connections, the weakest first. ICMP is sent.
var summaryVerbs = []string{" perhaps opened ", " tried ", " opened "}

// reword says in the summary of two joined findings what a single audit of all their connections says: opened if of any it is known who opened it and any
// went beyond an attempt, the outcome only where there is one and nothing but attempts, and all source ports.
func (f *Finding) reword(was, o *Finding) {
	before, verb, after, ending := was.clauses()
	_, other, _, otherEnding := o.clauses()
	attempts := isAttempts(f.Outcomes)
	if verb != "" && other != "" {
		switch sure := verb != summaryVerbs[0] || other != summaryVerbs[0]; {
		case !sure:
			verb = summaryVerbs[0]
		case attempts:
			verb = summaryVerbs[1]
		default:
			verb = summaryVerbs[2]
		}
	}
	if slices.Contains(f.Why, whySourcePort.names()[0]) {
		after += " from source port " + f.SourcePorts
	}
	if attempts && len(f.Outcomes) == 1 {
		if ending != otherEnding {
			ending = ": " + f.Outcomes[0].Outcome
		}
		after += ending
	}
	f.Summary = before + verb + after
}

// clauses takes a summary apart: who, verb, what on whom, and the outcome with its reason. Source ports are left out.
func (f *Finding) clauses() (before, verb, after, ending string) {
	text := f.Summary
	if len(f.Outcomes) == 1 {
		if i := strings.LastIndex(text, ": "+f.Outcomes[0].Outcome); i >= 0 {
			text, ending = text[:i], text[i:]
		}
	}
	if i := strings.LastIndex(text, " from source port "); i >= 0 {
		text = text[:i]
	}
	at := len(text)
	for _, v := range summaryVerbs {
		if i := strings.Index(text, v); i >= 0 && i < at {
			at, verb = i, v
		}
	}
	return text[:at], verb, strings.TrimPrefix(text[at:], verb), ending
}

// isAttempts is true where no connection went beyond an attempt.
func isAttempts(outcomes []OutcomeCount) bool {
	return !slices.ContainsFunc(outcomes, func(o OutcomeCount) bool {
		return o.Outcome != flow.Refused.String() && o.Outcome != flow.Unanswered.String() && o.Outcome != flow.OneWay.String()
	})
}

// joinServices words the one question about a flow without a port for the services of both.
func (f *Finding) joinServices(o *Finding) {
	const cut = "..."
	list := append(strings.Split(f.Service, " "), strings.Split(o.Service, " ")...)
	list = joinICMP(list)
	more := slices.Contains(list, cut)
	list = slices.DeleteFunc(list, func(s string) bool { return s == cut || s == "" })
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) > maxSilent {
		list, more = list[:maxSilent], true
	}
	f.Service, f.Summary = strings.Join(list, " "), questionSummary(f.Flow, list, more)
	if more {
		f.Service += " " + cut
	}
}

// joinICMP puts "icmp type 8" together again, which is one service of three words.
func joinICMP(words []string) []string {
	var out []string
	for i := 0; i < len(words); i++ {
		if i+2 < len(words) && words[i+1] == "type" {
			out = append(out, strings.Join(words[i:i+3], " "))
			i += 2
			continue
		}
		out = append(out, words[i])
	}
	return out
}

// earliest of two stamps, "" being none.
func earliest(a, b string) string {
	if a == "" || b != "" && b < a {
		return b
	}
	return a
}

// spanOf is the lowest and the highest of two spans of ports.
func spanOf(a, b string) string {
	var s portSpan
	for _, text := range []string{a, b} {
		low, high, _ := strings.Cut(text, "-")
		for _, p := range []string{low, high} {
			if n, err := strconv.ParseUint(p, 10, 16); err == nil {
				s.add(uint16(n))
			}
		}
	}
	return s.String()
}

// expectationTemplate finds a finding about a flow's expectation in any audit: all of one flow share their words.
func (c *combination) expectationTemplate(ref string) *Finding {
	for _, s := range c.list {
		for i := range s.Audit.Findings {
			if f := &s.Audit.Findings[i]; f.Kind == kindExpectation && f.Flow == ref {
				return f
			}
		}
	}
	return nil
}

// unmetFinding is the finding about the hosts of a row that have a status.
func unmetFinding(template *Finding, row *Expectation, s status, hosts []HostStatus) Finding {
	f := *template
	f.Verdict, f.Hosts, f.Evidence, f.Standing, f.Annotation = s.String(), []string{}, []Evidence{}, "", nil
	f.Decides = slices.ContainsFunc(hosts, func(h HostStatus) bool { return h.Decides })
	f.Severity, f.Look = severities[statusSeverity(s, f.Decides)], hosts[0].Reason
	for _, h := range hosts[:min(len(hosts), maxOpenHosts)] {
		f.Hosts = append(f.Hosts, h.Host)
	}
	who := hosts[0].Host
	if len(hosts) > 1 {
		who = plural(uint64(len(hosts)), "host")
	}
	clause := statusClauses[s]
	if s == missing && !slices.ContainsFunc(hosts, func(h HostStatus) bool { return len(h.Missed) == 0 }) {
		clause = scheduleClause
	}
	f.Summary = fmt.Sprintf(clause, who, row.Service, article(row.To), row.Flow)
	if template.Verdict != f.Verdict { // with pseudonyms an id is known only from an audit that has it
		f.ID = findingID(f.Kind, f.Verdict, "", f.Flow, "", "", f.Proto, f.Port, "")
	}
	return f
}
