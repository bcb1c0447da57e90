"""The checks of ``opspawn doctor``, and what they find."""
