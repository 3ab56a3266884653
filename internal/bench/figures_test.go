package main

import "testing"

func TestQuantile(t *testing.T) {
	t.Parallel()
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i
	}
	for _, test := range []struct {
		values []int
		q      float64
		want   int
	}{
		{nil, .5, 0}, {[]int{7}, .99, 7}, {[]int{3, 1, 2}, .5, 2}, {[]int{2, 1}, .5, 1},
		{hundred, 0, 1}, {hundred, .5, 50}, {hundred, .99, 99}, {hundred, 1, 100},
	} {
		if got := quantile(test.values, test.q); got != test.want {
			t.Errorf("quantile %g of %d values: %d, want %d", test.q, len(test.values), got, test.want)
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}}, {[]float64{4}, spread{4, 4, 4}}, {[]float64{3, 1, 2}, spread{1, 2, 3}}, {[]float64{4, 1, 3, 2}, spread{1, 2.5, 4}},
	} {
		if got := spreadOf(test.values); got != test.want {
			t.Errorf("the spread of %v: %v, want %v", test.values, got, test.want)
		}
	}
}

func TestCallersHaveTheirTurns(t *testing.T) {
	t.Parallel()
	r := &rota{first: 10, count: 3}
	r.called(2)
	if n, from := r.turn(4); n != 4 || from(0) != known(12) || from(1) != known(10) {
		t.Errorf("a rota of 10 to 12 goes on after two calls with %s and %s (%d calls)", from(0), from(1), n)
	}
	s := &strangers{next: 0, end: 10, turns: 2}
	for _, want := range []struct {
		n     int
		first string
	}{{5, known(0)}, {7, known(3)}} {
		n, from := s.turn(100)
		if n != want.n || from(0) != want.first {
			t.Errorf("a turn of %d strangers from %s, want %d from %s", n, from(0), want.n, want.first)
		}
		s.called(3)
	}
}
