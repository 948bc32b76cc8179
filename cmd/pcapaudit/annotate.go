package main

import (
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/classify"
	"pcapaudit/rules"
)

func annotationsFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "annotations", "", "show what reviewers say of findings beside them, from the YAML `FILE` (finding, disposition, name, date, text)")
}

// loadAnnotations reads a file of annotations and prints its problems; nil for "".
func (u *ui) loadAnnotations(file string) (*rules.Annotations, error) {
	if file == "" {
		return nil, nil
	}
	list, problems := rules.LoadAnnotations(file)
	return list, u.report(problems)
}

// annotate adds a file of annotations to an audit, if one is named.
func (u *ui) annotate(a *classify.Audit, file string) error {
	list, err := u.loadAnnotations(file)
	if err == nil && list != nil {
		u.addAnnotations(a, list)
	}
	return err
}

func (u *ui) addAnnotations(a *classify.Audit, list *rules.Annotations) {
	a.Annotate(list)
	if stale := a.Annotations.Stale; len(stale) > 0 {
		var texts []string
		for _, id := range stale {
			if n := nearestFinding(a, id); n != "" {
				id += " (did you mean " + n + "?)"
			}
			texts = append(texts, id)
		}
		u.warn("%s: this audit does not have %s", list.File, strings.Join(texts, ", "))
	}
}
