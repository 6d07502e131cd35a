class WeightsError(Exception): pass
