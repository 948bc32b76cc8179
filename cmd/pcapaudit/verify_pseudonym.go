package main

import (
	"slices"

	"pcapaudit/classify"
)

// reveal leads the names of what the audit rests on back, where it has pseudonyms and the key is at hand.
func (v *verification) reveal(key string) error {
	p, err := loadPseudonyms(key)
	if err != nil || p == nil || v.written.Pseudonyms == nil {
		return err
	}
	if v.audit, err = p.audits.Sources(v.written); err != nil {
		return exitError{exitUsage, err}
	}
	v.hidden = p
	return nil
}

// closed is true where the audit names what it rests on by pseudonyms, and nothing leads back. An audit that was combined of such names its parts as they are called.
func (v *verification) closed() bool {
	return v.written.Pseudonyms != nil && v.hidden == nil &&
		(len(v.written.Parts) == 0 || slices.ContainsFunc(v.written.Parts, func(p classify.Part) bool { return classify.IsToken(p.File) }))
}
