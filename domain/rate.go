package domain

import "math"

// Rate is a share of whole things. It keeps both numbers, so that rates over
// nothing are not NaN.
type Rate struct {
	Num, Den int64 // 0 ≤ Num ≤ Den
}

// Fraction is Num/Den rounded half up to 3 decimals, as the REST contract has it
// (494/1284 is 0.385, 1/16 is 0.063), and 0 if Den is 0.
func (r Rate) Fraction() float64 {
	if r.Den == 0 {
		return 0
	}
	const thousandths = 1000
	return float64(roundHalfUp(r.Num*thousandths, r.Den)) / thousandths
}

// z95 is the 0.975 quantile of the standard normal distribution.
const z95 = 1.959963984540054

// Wilson is the 95 % score interval of the rate, after Wilson, "Probable
// Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).
// It lies in 0 to 1; over nothing it is 0 to 1.
func (r Rate) Wilson() (low, high float64) {
	if r.Den == 0 {
		return 0, 1
	}
	n, p := float64(r.Den), float64(r.Num)/float64(r.Den)
	const zz = z95 * z95
	center := (p + zz/(2*n)) / (1 + zz/n)
	half := z95 / (1 + zz/n) * math.Sqrt(p*(1-p)/n+zz/(4*n*n))
	low, high = center-half, center+half
	// At the ends the interval is closed exactly; floats would miss it by an ulp.
	if r.Num == 0 {
		low = 0
	}
	if r.Num == r.Den {
		high = 1
	}
	return low, high
}
