package classify

import "pcapaudit/rules"

// Annotate puts what reviewers say beside the findings, in place of earlier annotations, and lists the annotations of findings that the audit does not have.
func (a *Audit) Annotate(n *rules.Annotations) {
	byID := map[string]*rules.Annotation{}
	for _, e := range n.List {
		byID[e.Finding] = e
	}
	used := map[string]bool{}
	for i := range a.Findings {
		f := &a.Findings[i]
		f.Annotation = nil
		if e := byID[f.ID]; e != nil {
			f.Annotation = &Annotation{Disposition: e.Disposition, Name: e.Name, Date: e.Date, Text: e.Text}
			used[f.ID] = true
		}
	}
	a.Annotations = &Annotated{File: n.File, SHA256: n.SHA256, Used: len(used), Stale: []string{}}
	for _, e := range n.List {
		if !used[e.Finding] {
			a.Annotations.Stale = append(a.Annotations.Stale, e.Finding)
		}
	}
}
