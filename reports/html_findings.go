package reports

import (
	"fmt"
	"strings"

	"pcapaudit/classify"
)

// severityView is the findings of one severity.
type severityView struct {
	Name     string
	Findings int
	Cards    []cardView
	Lines    []lineView // groups that have no room for more
	Left     int        // groups that have no room at all
}

// cardView is a group of findings; with one member it is that finding.
type cardView struct {
	Severity string
	Title    string
	Verdict  string
	Words    string // verdict and reasons
	Seen     string // connections by outcome
	Standing string // against an older audit
	Decides  bool
	Open     bool
	Members  []findingView
	More     int
}

type lineView struct {
	Title, Words string
	Findings     int
	Connections  uint64
}

// findingView is what a reviewer needs to repeat what the program saw.
type findingView struct {
	ID       string
	Summary  string // "" where the card's title says it
	Seen     string
	Facts    []pairView
	Places   []string
	Evidence []classify.Evidence
	Commands []commandView
}

// findings builds the cards until the room for them is used, in the order of importance.
func (v *htmlView) findings(a *classify.Audit) {
	groups := classify.Groups(a.Findings)
	room, cards, lines := htmlRoom, 0, 0
	folded, left := 0, 0
	for _, g := range groups {
		s := v.severity(g.Severity)
		s.Findings += len(g.Findings)
		switch {
		case cards < htmlCards && room > 0:
			c := newCard(g, a)
			c.Open = cards < 3 && g.Decides
			room -= c.size()
			folded += c.More
			s.Cards = append(s.Cards, c)
			cards++
		case lines < htmlLines:
			s.Lines = append(s.Lines, lineView{g.Title, verdictWords(g.Verdict, g.Why), len(g.Findings), g.Connections})
			folded += len(g.Findings)
			lines++
		default:
			s.Left++
			left += len(g.Findings)
		}
	}
	if folded > 0 {
		v.Folded = plural(uint64(folded), "finding") + " folded into groups or lines"
	}
	if left > 0 {
		v.Folded += fmt.Sprintf("; %s left out", plural(uint64(left), "further finding"))
	}
}

func (v *htmlView) severity(name string) *severityView {
	for i := range v.Severities {
		if v.Severities[i].Name == name {
			return &v.Severities[i]
		}
	}
	v.Severities = append(v.Severities, severityView{Name: name})
	return &v.Severities[len(v.Severities)-1]
}

func newCard(g classify.Group, a *classify.Audit) cardView {
	c := cardView{Severity: g.Severity, Title: g.Title, Verdict: g.Verdict, Words: verdictWords(g.Verdict, g.Why), Seen: connectionWords(g.Findings), Standing: standingWords(g.Findings), Decides: g.Decides}
	list, more := cut(g.Findings, htmlMembers)
	c.More = more
	for _, f := range list {
		m := newFindingView(f, a)
		if len(g.Findings) > 1 {
			m.Summary, m.Seen = f.Summary, connectionWords([]*classify.Finding{f})
		}
		c.Members = append(c.Members, m)
	}
	return c
}

// standingWords is "new", "known", or "3 new, 2 known"; "" where no older audit was given.
func standingWords(list []*classify.Finding) string {
	fresh, known := 0, 0
	for _, f := range list {
		switch f.Standing {
		case "new":
			fresh++
		case "known":
			known++
		}
	}
	switch {
	case fresh > 0 && known > 0:
		return fmt.Sprintf("%d new, %d known", fresh, known)
	case fresh > 0:
		return "new"
	case known > 0:
		return "known"
	}
	return ""
}

// verdictWords is "deviation: source-port, hours".
func verdictWords(verdict string, why []string) string {
	if len(why) == 0 {
		return strings.ReplaceAll(verdict, "-", " ")
	}
	return verdict + ": " + strings.Join(why, ", ")
}

func newFindingView(f *classify.Finding, a *classify.Audit) findingView {
	v := findingView{ID: f.ID, Places: allPlaces(f.Cite)}
	exception := f.Exception
	if strings.Contains(f.Reason, exception) {
		exception = ""
	}
	for _, p := range []pairView{
		{"What is wrong", f.Reason}, {"Documented flow", f.Flow}, {"Nearest documented flow", strings.TrimPrefix(f.Nearest, f.Service+": ")},
		{"Look at", f.Look}, {"Exception", exception}, {"Turned by the exception from", f.Original}, {"Originator", endWords(&f.Orig)}, {"Responder", endWords(&f.Resp)},
		{"Source ports", f.SourcePorts}, {"Against the older audit", f.Standing}, {"Reviewed", reviewText(f.Annotation)}, {"Hosts", hostsText(f.Hosts)}, {"Seen", seenText(f)},
	} {
		if p.Text != "" {
			v.Facts = append(v.Facts, p)
		}
	}
	v.Evidence, _ = cut(f.Evidence, 5)
	v.Commands = commands(f, v.Evidence, a.Inputs)
	if a.Pseudonyms != nil {
		v.Commands = commands(f, inEvidence(a.Evidence, v.Evidence), nil)
	}
	return v
}

func hostsText(hosts []string) string {
	if len(hosts) < 2 {
		return ""
	}
	kept, more := cut(hosts, htmlHosts)
	text := strings.Join(kept, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// endWords names an end with all that is known of it.
func endWords(e *classify.EndRef) string {
	parts := []string{}
	if e.Host != "" {
		parts = append(parts, e.Host)
	}
	if e.IP != "" {
		parts = append(parts, e.IP)
	}
	if e.Name != "" {
		parts = append(parts, e.Name+" (from "+e.NameOrigin+")")
	}
	if len(e.Roles) > 0 {
		roles, more := cut(e.Roles, htmlHosts)
		text := strings.Join(roles, ", ")
		if more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, "role "+text)
	}
	return strings.Join(parts, "; ")
}

func seenText(f *classify.Finding) string {
	if f.Connections == 0 || f.First == "" {
		return ""
	}
	return fmt.Sprintf("%s, %s, first %s, last %s UTC", plural(f.Connections, "connection"), size(f.Bytes), shortTime(f.First), shortTime(f.Last))
}

// size is about how many bytes a card takes in the page.
func (c *cardView) size() int {
	n := 600 + len(c.Title)
	for _, m := range c.Members {
		n += 400 + len(m.Summary)
		for _, f := range m.Facts {
			n += 100 + min(len(f.Text), 4*maxHTMLText)
		}
		for _, e := range m.Evidence {
			n += 400 + min(len(e.File), 4*maxHTMLText) + min(len(e.Told), 4*maxHTMLText)
		}
		for _, k := range m.Commands {
			n += 200 + len(k.Text)
		}
	}
	return n
}
