package reports

import (
	"bytes"
	"reflect"
	"testing"

	"pcapaudit/classify"
)

// nastyAudit is an audit of which every string is hostile: those from the wire, and also those that the program wrote itself, because an
// audit file comes back from anybody's hands. Lists are as long as nasty, those inside other lists hold two, so that every field of a list's
// elements takes every string once.
func nastyAudit() *classify.Audit { return filledAudit(nasty) }

// filledAudit has the words given in every string.
func filledAudit(words []string) *classify.Audit {
	a := &classify.Audit{}
	n := &nastyFiller{words: words}
	n.fill(reflect.ValueOf(a).Elem(), 0)
	return a
}

// nastyFiller walks a value; at counts the strings so far, shift moves on with every element of an outer list.
type nastyFiller struct {
	words     []string
	at, shift int
}

func (n *nastyFiller) fill(v reflect.Value, lists int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.words[(n.at+n.shift)%len(n.words)])
		n.at++
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(2)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		n.fill(v.Elem(), lists)
	case reflect.Struct:
		for i := range v.NumField() {
			n.fill(v.Field(i), lists)
		}
	case reflect.Slice:
		n.list(v, lists)
	default:
		panic("the audit has a kind that nastyFiller does not know: " + v.Type().String())
	}
}

func (n *nastyFiller) list(v reflect.Value, lists int) {
	length := len(n.words)
	if lists > 0 {
		length = 2
	}
	v.Set(reflect.MakeSlice(v.Type(), length, length))
	start, shift := n.at, n.shift
	for i := range length {
		if lists == 0 {
			n.at, n.shift = start, i
		}
		n.fill(v.Index(i), lists+1)
	}
	n.shift = shift
}

// render writes an audit twice and holds both against each other.
func render(t *testing.T, f Format, a *classify.Audit, look Look) []byte {
	t.Helper()
	var one, two bytes.Buffer
	if err := f.Write(&one, a, look); err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	if err := f.Write(&two, a, look); err != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Errorf("%s: two renderings differ (%v)", f.Name, err)
	}
	return one.Bytes()
}
