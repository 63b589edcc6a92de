"""What is in a data set, and what is wrong with it: numbers first, then one page made from them."""
