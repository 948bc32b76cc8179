package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"pcapaudit/classify"
)

// The elements that the Ant JUnit schema names, in its order.

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Hostname   string          `xml:"hostname,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Package    string          `xml:"package,attr"`
	ID         int             `xml:"id,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
	Out        string          `xml:"system-out"`
	Err        string          `xml:"system-err"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name    string       `xml:"name,attr"`
	Class   string       `xml:"classname,attr"`
	Time    string       `xml:"time,attr"`
	Skipped *junitDetail `xml:"skipped"`
	Error   *junitDetail `xml:"error"`
	Failure *junitDetail `xml:"failure"`
}

type junitDetail struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"` // not of skipped
	Text    string `xml:",chardata"`
}

// writeJUnit renders an audit as tests, in three suites. Expectations: a documented flow of a host passes only where it was observed, fails where
// it is missing or attempted and the result rests on that, and is skipped with its reason otherwise. Connections: a finding that decides fails, an excepted
// one is skipped. Result: passes where it is clean, fails on deviations, and is an error where it is inconclusive, so that a gate that reads only this
// file never passes more than the exit code does.
func writeJUnit(w io.Writer, a *classify.Audit, look Look) error {
	suites := junitSuites{}
	for _, s := range []junitSuite{
		{Name: "expectations", Cases: expectationCases(a)},
		{Name: "connections", Cases: findingCases(a)},
		{Name: "result", Cases: []junitCase{resultCase(a)}, Properties: junitProperties(a), Out: strings.Join(cleanList(append(slices.Clip(a.Coverage.CannotShow), supporting)), "\n")},
	} {
		s.ID, s.Package, s.Hostname, s.Time, s.Timestamp = len(suites.Suites), "pcapaudit", "localhost", "0", junitTime(a, look)
		s.count()
		suites.Suites = append(suites.Suites, s)
	}
	_, err := io.WriteString(w, xml.Header)
	if err == nil {
		e := xml.NewEncoder(w)
		e.Indent("", " ")
		err = e.Encode(suites)
	}
	if err == nil {
		_, err = io.WriteString(w, "\n")
	}
	if err != nil {
		return fmt.Errorf("write junit report: %w", err)
	}
	return nil
}

func (s *junitSuite) count() {
	s.Tests = len(s.Cases)
	for _, c := range s.Cases {
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
	}
}

func testCase(class, name string) junitCase {
	return junitCase{Name: orWord(Clean(name), "none"), Class: orWord(cleanText(class), "none"), Time: "0"}
}

// junitDetailOf has the first line as the message and all of them as the text.
func junitDetailOf(kind string, lines ...string) *junitDetail {
	var out []string
	for _, l := range lines {
		if l = Clean(l); l != "" {
			out = append(out, l)
		}
	}
	if len(out) == 0 {
		out = []string{"no reason was given"}
	}
	return &junitDetail{Message: out[0], Type: kind, Text: strings.Join(out, "\n")}
}

// expectationCases gives a passing case for the hosts of a flow that were observed, and one for each host that was not; the class is the flow's pack.
func expectationCases(a *classify.Audit) []junitCase {
	deciding := map[string]bool{}
	for i := range a.Findings {
		if f := &a.Findings[i]; f.Kind == "expectation" && f.Decides {
			deciding[f.Flow+" "+f.Verdict] = true
		}
	}
	var cases []junitCase
	for i := range a.Expectations {
		e := &a.Expectations[i]
		pack, id, _ := strings.Cut(e.Flow, "/")
		named := map[string]int{}
		byHost := slices.ContainsFunc(e.Open, func(h classify.HostStatus) bool { return h.Decides })
		for _, h := range e.Open {
			named[h.Status]++
			c := testCase(pack, id+": "+h.Host)
			c.judge(e, h.Status, h.Reason, deciding[e.Flow+" "+h.Status] && (h.Decides || !byHost))
			cases = append(cases, c)
		}
		for _, s := range e.Statuses {
			if n := s.Hosts - named[s.Status]; n > 0 {
				c := testCase(pack, fmt.Sprintf("%s: %s %s", id, hostsOf(n, e.Hosts), s.Status))
				c.judge(e, s.Status, e.Summary, deciding[e.Flow+" "+s.Status])
				cases = append(cases, c)
			}
		}
		if len(e.Statuses) == 0 {
			c := testCase(pack, id)
			c.judge(e, "not-testable", e.Summary, false)
			cases = append(cases, c)
		}
	}
	return cases
}

func hostsOf(n, all int) string { return fmt.Sprintf("%d of %s", n, plural(uint64(all), "host")) }

// judge passes nothing but what was observed; decides says that the result rests on the status.
func (c *junitCase) judge(e *classify.Expectation, status, reason string, decides bool) {
	about := fmt.Sprintf("%s, %s: %s", e.Service, need(*e), e.Title)
	switch {
	case status == "observed":
	case status == "missing", status == "attempted" && decides:
		c.Failure = junitDetailOf(cleanText(status), statusLead(status)+strings.TrimPrefix(reason, attemptedLead), about, joined(e.Cite))
	default:
		c.Skipped = junitDetailOf("", statusLead(status)+strings.TrimPrefix(reason, attemptedLead), about)
	}
}

// statusLead words a status of an expectation.
func statusLead(status string) string {
	if status == "attempted" {
		return attemptedLead
	}
	return strings.ReplaceAll(status, "-", " ") + ": "
}

// findingCases gives the connections that decide, and those that an exception covers; expectations have their own suite.
func findingCases(a *classify.Audit) []junitCase {
	var cases []junitCase
	for i := range a.Findings {
		f := &a.Findings[i]
		if f.Kind == "expectation" || !f.Decides && f.Verdict != "excepted" {
			continue
		}
		c := testCase(f.Kind, fmt.Sprintf("%s [%s]", f.Summary, f.ID))
		lines := []string{verdictText(f) + ": " + f.Summary, f.Reason, f.Nearest, f.Look, reviewOf(f)}
		if f.Standing != "" {
			lines = append(lines, "against the older audit: "+f.Standing)
		}
		for _, e := range f.Evidence {
			lines = append(lines, evidenceText(e))
		}
		if f.Verdict == "excepted" {
			lines[0] = sentences("excepted by "+f.Exception, exceptionText(a.Exceptions, f.Exception))
			c.Skipped = junitDetailOf("", lines...)
		} else {
			c.Failure = junitDetailOf(orWord(cleanText(f.Verdict), "finding"), lines...)
		}
		cases = append(cases, c)
	}
	if a.Overflow > 0 {
		c := testCase("connection", "connections beyond the limit of findings")
		c.Failure = junitDetailOf("overflow", plural(a.Overflow, "connection")+" beyond the limit of findings; they count for the result")
		cases = append(cases, c)
	}
	return cases
}

func resultCase(a *classify.Audit) junitCase {
	c := testCase("result", "no deviation found in the traffic judged")
	switch lines := append([]string{a.Result.Verdict + ": " + a.Result.Text}, a.Result.Reasons...); {
	case len(a.Residuals) > 0:
		c.Error = junitDetailOf("ledger", append([]string{untrusted}, a.Residuals...)...)
	case a.Result.Verdict == "deviations":
		c.Failure = junitDetailOf("deviations", lines...)
	case a.Result.Verdict != "clean":
		c.Error = junitDetailOf("inconclusive", lines...)
	}
	return c
}

func junitProperties(a *classify.Audit) []junitProperty {
	list := []junitProperty{{"tool", a.Tool.Name + " " + a.Tool.Version}, {"exit code", fmt.Sprint(a.Result.Code)},
		{"covered from", a.Period.CoveredFrom}, {"covered last", a.Period.CoveredLast}}
	for i, in := range a.Inputs {
		list = append(list, junitProperty{fmt.Sprintf("input %d", i), inputName(in.Name) + ", SHA-256 " + orWord(in.SHA256, "not taken")})
	}
	for _, k := range a.Packs {
		about := "SHA-256 " + k.SHA256
		if k.Status != "" {
			about = k.Status + ", " + about
		}
		list = append(list, junitProperty{"pack " + k.Name, about})
	}
	if a.Site != nil {
		list = append(list, junitProperty{"site " + a.Site.File, "SHA-256 " + a.Site.SHA256})
	}
	for _, v := range inventoriesOf(a) {
		list = append(list, junitProperty{"inventory " + v.File, "SHA-256 " + v.SHA256})
	}
	for _, l := range ledgerLines(a) {
		list = append(list, junitProperty{"ledger, " + l.Label, l.Text})
	}
	for i := range list {
		list[i].Name, list[i].Value = cleanText(list[i].Name), Clean(list[i].Value)
	}
	return list
}

// junitTime is when the traffic happened: first packet, or the epoch that was given. The schema knows no zone; it is UTC.
func junitTime(a *classify.Audit, look Look) string {
	if t := stamp(a.Period.CoveredFrom); t != "" {
		return t[:19]
	}
	return time.Unix(look.Epoch, 0).UTC().Format("2006-01-02T15:04:05")
}
